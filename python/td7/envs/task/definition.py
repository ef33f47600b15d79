"""A robot of one's own: an MJCF model, and reward and observation in numpy over N simulations.

    import numpy as np
    from td7.envs import Task

    class Pendulum(Task):
        model = "pendulum.xml"  # beside this file
        frame_skip = 4
        max_episode_steps = 250

        def setup(self):
            self.angle = self.joint("hinge").qpos  # [N, 1], live
            self.speed = self.joint("hinge").qvel

        def reset(self, sims, random):
            self.angle[sims] = random.uniform(-np.pi, np.pi, 1)

        def observe(self):
            return np.hstack([np.cos(self.angle), np.sin(self.angle), self.speed])

        def reward(self, action):
            return np.cos(self.angle[:, 0]) - 0.01 * np.square(action[:, 0])

It trains with `td7 train --env pendulum.py:Pendulum`. What runs it is td7.envs.task.simulations.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from td7.envs.task.random import SimulationRandom

Sims = NDArray[np.int64]


class NamedView:
    """One joint's, body's, site's, ... fields over all simulations, as in MuJoCo's named access.

    `joint("elbow").qpos` is [N, 1] and live: write rows of it, `joint("elbow").qpos[sims] = ...`.
    Model fields (`body("hand").mass`) can be written once `model_field("body_mass")` was called.
    """

    def __init__(self, view: Any) -> None:
        object.__setattr__(self, "_view", view)

    def __getattr__(self, field: str) -> Any:
        return getattr(self._view, field)

    def __setattr__(self, field: str, value: Any) -> None:
        # MuJoCo's own view would write every simulation's value
        raise AttributeError(f"write rows of the simulations meant: .{field}[sims] = ...")


class Task:
    """A robot and what it is to do; subclass it and write `observe` and `reward`.

    All hooks are vectorised: arrays are [N, ...], a row a simulation, and `sims` are the numbers
    of the simulations that a hook is to write; it must write no others. `random` draws a row for
    each of them. The hooks run once with scratch generators when simulations are made, which
    checks their shapes; real episodes start after that, each with its own reset.

    A saved run holds the simulations' generators, not what a task keeps from episode to episode:
    let what an episode is like follow from `random` alone.

    Fields describe the state that a step has led to, save for those of accelerations and forces
    (accelerometer, force and torque sensors, contact forces): they are the last substep's.
    """

    model: Any = None
    """MJCF file, relative to the file of the class, or a mujoco.MjModel."""
    frame_skip: int = 1
    """Physics steps per control step: the policy acts every timestep * frame_skip seconds."""
    max_episode_steps: int = 1000
    """Control steps after which an episode is cut off (truncated)."""
    action_delay: tuple[int, int] = (0, 0)
    """Control steps from an action to the motors: drawn from low..high, both included, at each
    reset. Until the first action arrives, the controls stay as reset left them."""
    obs_names: Sequence[str] = ()
    """Names of the S observations, for errors and for readers."""
    obs_units: Sequence[str] = ()
    """Units of the S observations, such as rad, rad/s, m, for readers."""
    action_names: Sequence[str] = ()
    """Names of the A actions; by default the actuators', with the input where one has several."""
    action_units: Sequence[str] = ()
    """Units of the A actions, such as N m, for readers."""

    num_sims: int
    """N, from setup on."""
    mj_model: Any
    """The compiled mujoco.MjModel, from setup on; one for all simulations."""
    dt: float
    """Seconds between two actions, from setup on."""
    action: NDArray[np.float64]
    """[N, A], read-only: each simulation's latest action; after a reset, its controls."""
    previous_action: NDArray[np.float64]
    """[N, A], read-only: the action before that one; after a reset, the controls."""

    _batch: Any = None
    _own_values: dict[str, NDArray[Any]]

    # --- hooks, in the order in which they are called ---

    def setup(self) -> None:
        """Take hold of the fields that other hooks use, make arrays of one's own; called once."""

    def randomise(self, sims: Sims, random: SimulationRandom) -> None:
        """Give `sims` models of their own for their next episode.

        Write rows of model fields: `self.model_field("body_mass")[sims] *= ...`. Each starts from
        the MJCF's values, whatever the last episode had; constants that follow from masses and the
        like are computed after this hook. The state is not there yet: write it in `reset`.
        """

    def reset(self, sims: Sims, random: SimulationRandom) -> None:
        """Write the initial state of `sims` (qpos, qvel, mocap_pos, ...); the MJCF's is there."""

    def after_step(self, sims: Sims, random: SimulationRandom) -> None:
        """Update what the task remembers, or push the robot, after the physics of a step.

        The place for arrays of one's own (filters, commands, sensor noise) and for xfrc_applied,
        which acts in the next step: the other hooks may run for simulations that did not move.
        """

    def reward(self, action: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the reward [N] of the step that `action` [N, A], in actuator units, has led to."""
        raise NotImplementedError("define reward(self, action): it returns [N] numbers")

    def terminated(self) -> NDArray[np.bool_]:
        """Return whether each episode has failed or reached its goal [N]; by default never."""
        return np.zeros(self.num_sims, bool)

    def observe(self) -> NDArray[np.float64]:
        """Return the observations [N, S]."""
        raise NotImplementedError("define observe(self): it returns [N, S] numbers")

    # --- what hooks read and write ---

    def data(self, name: str) -> NDArray[Any]:
        """Return a field of MjData over all simulations, [N, ...] and live: data("qpos").

        State (qpos, qvel, ctrl, mocap_pos, xfrc_applied, ...) can be written; what MuJoCo computes
        from it (xpos, sensordata, ...) is read-only.
        """
        return self._bound().bind(name)

    def model_field(self, name: str) -> NDArray[Any]:
        """Return a field of MjModel with a value for each simulation, [N, ...], to be written.

        Option fields are named as "opt.gravity".
        """
        field = self._bound().expand(name)
        if name not in self._own_values:
            self._own_values[name] = field[0].copy()
        return field

    def actuator(self, name: str) -> NamedView:
        """Return an actuator's fields: .ctrl, .force, .gainprm, ..."""
        return NamedView(self._bound().actuator(name))

    def body(self, name: str) -> NamedView:
        """Return a body's fields: .xpos, .xquat, .cvel, .mass, ..."""
        return NamedView(self._bound().body(name))

    def geom(self, name: str) -> NamedView:
        """Return a geom's fields: .xpos, .friction, .size, ..."""
        return NamedView(self._bound().geom(name))

    def joint(self, name: str) -> NamedView:
        """Return a joint's fields: .qpos, .qvel, .damping, ..."""
        return NamedView(self._bound().joint(name))

    def sensor(self, name: str) -> NamedView:
        """Return a sensor's fields: .data, ..."""
        return NamedView(self._bound().sensor(name))

    def site(self, name: str) -> NamedView:
        """Return a site's fields: .xpos, .xmat, ..."""
        return NamedView(self._bound().site(name))

    def tendon(self, name: str) -> NamedView:
        """Return a tendon's fields: .length, .stiffness, ..."""
        return NamedView(self._bound().tendon(name))

    def _bound(self) -> Any:
        if self._batch is None:
            raise RuntimeError(
                f"{type(self).__name__} has no simulations yet: take fields in setup, not __init__"
            )
        return self._batch
