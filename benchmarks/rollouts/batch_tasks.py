"""Five Gymnasium -v5 tasks for a mujoco.batch.Batch, in numpy, all simulations at once."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]


class BatchTask:
    """Observation, reward, end and reset of N simulations; `batch` holds their physics."""

    reset_noise = 0.005  # of qpos, uniform
    normal_velocity: float | None = None  # of qvel, normal; None: as qpos
    healthy_reward = 1.0
    control_cost = 1e-3

    def __init__(self, batch: Any, model: Any, dt: float) -> None:
        self.batch, self.model, self.dt = batch, model, dt
        self.qpos: Floats = batch.bind("qpos")
        self.qvel: Floats = batch.bind("qvel")
        self.x_before: Floats = np.zeros(len(self.qpos))

    def remember(self) -> None:
        """Note what a step's reward depends on; before the step."""
        self.x_before = self.x().copy()

    def score(self, action: NDArray[np.float32]) -> tuple[Floats, Bools]:
        """Return reward and terminated [N] after a step."""
        velocity = (self.x() - self.x_before) / self.dt
        return velocity + self.healthy_reward - self.costs(action), ~self.healthy()

    def disturb(self, sims: NDArray[np.int64], rng: np.random.Generator) -> None:
        """Add the reset's noise to fresh simulations [n]."""
        noise, n = self.reset_noise, len(sims)
        self.qpos[sims] += rng.uniform(-noise, noise, (n, self.qpos.shape[1]))
        if self.normal_velocity is None:
            self.qvel[sims] += rng.uniform(-noise, noise, (n, self.qvel.shape[1]))
        else:
            self.qvel[sims] += self.normal_velocity * rng.normal(size=(n, self.qvel.shape[1]))

    def x(self) -> Floats:
        """Return the forward position [N]."""
        return self.qpos[:, 0]

    def costs(self, action: NDArray[np.float32]) -> Floats:
        """Return what is taken off the reward [N]."""
        return self.control_cost * np.square(action, dtype=np.float64).sum(1)

    def healthy(self) -> Bools:
        """Return whether the episodes go on [N]."""
        raise NotImplementedError

    def observe(self) -> Floats:
        """Return the observations [N, S]."""
        return np.concatenate([self.qpos[:, 1:], np.clip(self.qvel, -10, 10)], 1)


class HalfCheetah(BatchTask):
    """Never ends by itself."""

    reset_noise, normal_velocity = 0.1, 0.1
    healthy_reward, control_cost = 0.0, 0.1

    def healthy(self) -> Bools:
        return np.ones(len(self.qpos), bool)

    def observe(self) -> Floats:
        return np.concatenate([self.qpos[:, 1:], self.qvel], 1)


class Hopper(BatchTask):
    """Ends where it falls, leans or goes too fast."""

    def healthy(self) -> Bools:
        state = np.concatenate([self.qpos[:, 2:], self.qvel], 1)
        upright = (self.qpos[:, 1] > 0.7) & (np.abs(self.qpos[:, 2]) < 0.2)
        return (np.abs(state) < 100).all(1) & upright


class Walker2d(BatchTask):
    """Ends where it falls or leans."""

    def healthy(self) -> Bools:
        height = self.qpos[:, 1]
        return (height > 0.8) & (height < 2.0) & (np.abs(self.qpos[:, 2]) < 1.0)


class Ant(BatchTask):
    """Ends where its torso is too low or too high."""

    reset_noise, normal_velocity = 0.1, 0.1
    control_cost = 0.5

    def __init__(self, batch: Any, model: Any, dt: float) -> None:
        super().__init__(batch, model, dt)
        self.xpos: Floats = batch.bind("xpos")
        self.cfrc_ext: Floats = batch.bind("cfrc_ext")

    def x(self) -> Floats:
        return self.xpos[:, 1, 0]

    def costs(self, action: NDArray[np.float32]) -> Floats:
        contact = np.square(np.clip(self.cfrc_ext, -1, 1)).sum((1, 2))
        return super().costs(action) + 5e-4 * contact

    def healthy(self) -> Bools:
        height = self.qpos[:, 2]
        finite = np.isfinite(self.qpos).all(1) & np.isfinite(self.qvel).all(1)
        return finite & (height >= 0.2) & (height <= 1.0)

    def observe(self) -> Floats:
        forces = np.clip(self.cfrc_ext[:, 1:], -1, 1).reshape(len(self.qpos), -1)
        return np.concatenate([self.qpos[:, 2:], self.qvel, forces], 1)


class Humanoid(BatchTask):
    """Ends where its pelvis is too low or too high."""

    reset_noise = 0.01
    healthy_reward, control_cost = 5.0, 0.1
    observed = ("cinert", "cvel", "qfrc_actuator", "cfrc_ext")

    def __init__(self, batch: Any, model: Any, dt: float) -> None:
        super().__init__(batch, model, dt / 1.25)  # the forward reward's weight
        self.xipos: Floats = batch.bind("xipos")
        self.fields: dict[str, Floats] = {name: batch.bind(name) for name in self.observed}
        self.mass = model.body_mass / model.body_mass.sum()

    def x(self) -> Floats:
        return self.xipos[:, :, 0] @ self.mass

    def costs(self, action: NDArray[np.float32]) -> Floats:
        contact = 5e-7 * np.square(self.fields["cfrc_ext"]).sum((1, 2))
        return super().costs(action) + np.minimum(contact, 10.0)

    def healthy(self) -> Bools:
        height = self.qpos[:, 2]
        return (height > 1.0) & (height < 2.0)

    def observe(self) -> Floats:
        cinert, cvel, actuator, cfrc_ext = self.fields.values()
        parts = [cinert[:, 1:], cvel[:, 1:], actuator[:, 6:], cfrc_ext[:, 1:]]
        flat = [part.reshape(len(self.qpos), -1) for part in parts]
        return np.concatenate([self.qpos[:, 2:], self.qvel, *flat], 1)


TASKS: dict[str, type[BatchTask]] = {
    "HalfCheetah-v5": HalfCheetah,
    "Hopper-v5": Hopper,
    "Walker2d-v5": Walker2d,
    "Ant-v5": Ant,
    "Humanoid-v5": Humanoid,
}
