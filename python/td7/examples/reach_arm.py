"""A bench-top arm that brings its tip to one target after another, trained to be put on a real one.

Train it with `td7 train --env td7.examples.reach_arm:ReachArm`, or copy this file and
reach_arm.xml and begin your own: `td7 train --env my_robot.py:MyRobot`.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from td7.envs import SimulationRandom, Task
from td7.envs.task import Sims

TARGETS = 4  # in an episode, for the same time each


class ReachArm(Task):
    """Three position servos, told their angles at 50 Hz; every episode another arm and targets."""

    model = "reach_arm.xml"
    frame_skip = 5  # of 4 ms: 50 Hz
    max_episode_steps = 200  # 4 s
    action_delay = (0, 2)  # up to 40 ms from the computer to the servos
    obs_names = (
        *("turn_angle", "shoulder_angle", "elbow_angle"),
        *("turn_speed", "shoulder_speed", "elbow_speed"),
        *("tip_to_target_x", "tip_to_target_y", "tip_to_target_z"),
        *("turn_last_action", "shoulder_last_action", "elbow_last_action"),
    )
    obs_units = (*["rad"] * 3, *["rad/s"] * 3, *["m"] * 3, *["rad"] * 3)
    action_units = ("rad",) * 3

    def setup(self) -> None:
        self.qpos, self.qvel = self.data("qpos"), self.data("qvel")  # [N, 3]
        self.tip = self.site("tip").xpos  # [N, 3]
        self.target = self.data("mocap_pos")[:, 0]  # [N, 3]
        self.targets = np.zeros((self.num_sims, TARGETS, 3))

    def randomise(self, sims: Sims, random: SimulationRandom) -> None:
        """Vary what is known of a real arm to some percent only."""
        masses = random.uniform(0.85, 1.15, self.mj_model.nbody)
        self.model_field("body_mass")[sims] *= masses
        self.model_field("body_inertia")[sims] *= masses[:, :, None]
        self.model_field("dof_damping")[sims] *= random.uniform(0.6, 1.4, 3)
        self.model_field("dof_frictionloss")[sims] *= random.uniform(0.0, 2.0, 3)
        gain = random.uniform(0.85, 1.15, 3)  # of a servo: torque = gain * (target - angle)
        self.model_field("actuator_gainprm")[sims, :, 0] *= gain
        self.model_field("actuator_biasprm")[sims, :, 1] *= gain

    def reset(self, sims: Sims, random: SimulationRandom) -> None:
        self.qpos[sims] = random.uniform([-0.5, -0.3, 0.5], [0.5, 0.3, 1.2])
        self.data("ctrl")[sims] = self.qpos[sims]
        polar = random.uniform([0.2, -1.2, 0.05], [0.38, 1.2, 0.35], (TARGETS, 3))
        radius, bearing, height = np.moveaxis(polar, -1, 0)
        self.targets[sims] = np.stack(
            [radius * np.cos(bearing), radius * np.sin(bearing), height], axis=-1
        )
        self.target[sims] = self.targets[sims, 0]

    def after_step(self, sims: Sims, random: SimulationRandom) -> None:
        step = np.rint(self.data("time")[sims] / self.dt).astype(np.int64)
        turn = np.minimum(step * TARGETS // self.max_episode_steps, TARGETS - 1)
        self.target[sims] = self.targets[sims, turn]

    def observe(self) -> NDArray[np.float64]:
        return np.hstack([self.qpos, self.qvel, self.target - self.tip, self.action])

    def reward(self, action: NDArray[np.float64]) -> NDArray[np.float64]:
        distance = self.distance()
        near = np.exp(-np.square(distance / 0.1))
        jerk = np.square(action - self.previous_action).sum(axis=1)
        return 2 * near - 5 * distance - 0.1 * jerk

    def distance(self) -> NDArray[np.float64]:
        """Return the metres [N] from the tip to the target."""
        return np.sqrt(np.square(self.target - self.tip).sum(axis=1))
