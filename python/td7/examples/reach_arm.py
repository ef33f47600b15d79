"""A bench-top arm that brings its tip to a target, trained to be put on a real one.

Train it with `td7 train --env td7.examples.reach_arm:ReachArm`, or copy this file and
reach_arm.xml and begin your own: `td7 train --env my_robot.py:MyRobot`.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from td7.envs.task import Sims, Task
from td7.envs.task_random import SimulationRandom


class ReachArm(Task):
    """Three torque-driven joints, observed at 50 Hz; every episode has another arm and target."""

    model = "reach_arm.xml"
    frame_skip = 5  # of 4 ms: 50 Hz
    max_episode_steps = 150  # 3 s
    action_delay = (0, 1)  # up to 20 ms from the computer to the motors
    obs_names = (
        *("turn_angle", "shoulder_angle", "elbow_angle"),
        *("turn_speed", "shoulder_speed", "elbow_speed"),
        *("tip_to_target_x", "tip_to_target_y", "tip_to_target_z"),
        *("turn_last_action", "shoulder_last_action", "elbow_last_action"),
    )
    obs_units = (*["rad"] * 3, *["rad/s"] * 3, *["m"] * 3, *["N m"] * 3)
    action_units = ("N m",) * 3

    def setup(self) -> None:
        self.qpos, self.qvel = self.data("qpos"), self.data("qvel")  # [N, 3]
        self.tip = self.site("tip").xpos  # [N, 3]
        self.target = self.data("mocap_pos")[:, 0]  # [N, 3]
        self.torque_range = self.mj_model.actuator_ctrlrange[:, 1]

    def randomise(self, sims: Sims, random: SimulationRandom) -> None:
        # what is not known to a few percent on a real arm
        scale = random.uniform(0.85, 1.15, self.mj_model.nbody)
        self.model_field("body_mass")[sims] *= scale
        self.model_field("body_inertia")[sims] *= scale[:, :, None]
        self.model_field("dof_damping")[sims] *= random.uniform(0.5, 1.5, 3)
        self.model_field("dof_frictionloss")[sims] *= random.uniform(0.0, 2.0, 3)
        self.model_field("actuator_gainprm")[sims, :, 0] *= random.uniform(0.9, 1.1, 3)

    def reset(self, sims: Sims, random: SimulationRandom) -> None:
        self.qpos[sims] = random.uniform([-0.5, -0.3, 0.5], [0.5, 0.3, 1.2])
        distance, bearing, height = random.uniform([0.2, -1.5, 0.1], [0.38, 1.5, 0.4]).T
        self.target[sims] = np.stack(
            [distance * np.cos(bearing), distance * np.sin(bearing), height], axis=1
        )

    def observe(self) -> NDArray[np.float64]:
        return np.hstack([self.qpos, self.qvel, self.target - self.tip, self.action])

    def reward(self, action: NDArray[np.float64]) -> NDArray[np.float64]:
        distance = np.sqrt(np.square(self.target - self.tip).sum(axis=1))
        effort = np.square(action / self.torque_range).sum(axis=1)
        jerk = np.square((action - self.previous_action) / self.torque_range).sum(axis=1)
        near = np.exp(-np.square(distance / 0.05))
        return 1 - 2 * distance + near - 0.01 * effort - 0.02 * jerk
