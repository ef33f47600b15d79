"""Rollouts of environments that are stepped from Python: a task's or Gymnasium's."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from td7 import draws
from td7.deploy.native import NativePolicy
from td7.envs import SimulationError, Simulations, check_finite
from td7.replay import LapReplay
from td7.rollout.interface import Behaviour, Episode, GeneratorState, env_seeds

Float32 = NDArray[np.float32]


@dataclass
class _Rows:
    """One simulation's episode so far, as rows of float32."""

    obs: list[Float32] = field(default_factory=list)  # one more than actions
    action: list[Float32] = field(default_factory=list)
    reward: list[float] = field(default_factory=list)
    stored: int = 0
    terminated: bool = False
    ended: bool = False
    running: bool = False


class SteppedRollouts:
    """`Rollouts` on simulations that are reset and stepped one call at a time."""

    def __init__(
        self,
        simulations: Simulations,
        seeds: Sequence[int],
        num_envs: int,
        exploration_noise: float,
        seed_offset: int,
    ) -> None:
        self.simulations, self.seeds, self.num_envs = simulations, tuple(seeds), num_envs
        self.exploration_noise = exploration_noise
        self.observation_space = simulations.observation_space
        self.action_space = simulations.action_space
        self.max_episode_steps = simulations.max_episode_steps
        self._env_seeds = [
            env_seed for seed in seeds for env_seed in env_seeds(seed + seed_offset, num_envs)
        ]
        self._seeded = [False] * len(self._env_seeds)
        self._rows = [_Rows() for _ in self._env_seeds]
        self._steps = np.zeros((len(seeds), num_envs), np.int64)

    @property
    def steps(self) -> NDArray[np.int64]:
        """Steps that each simulation has taken in its life [P, N]."""
        return self._steps.copy()

    def run(
        self,
        policies: Sequence[NativePolicy],
        most_steps: NDArray[np.int64],
        behaviours: Sequence[Behaviour],
        stopped: Callable[[], bool],
    ) -> None:
        """Step all that run together; see Rollouts. The first simulation that fails ends it."""
        left = most_steps.reshape(-1).copy()
        while not stopped():
            sims = [i for i, rows in enumerate(self._rows) if left[i] > 0 and not rows.ended]
            if not sims:
                return
            self._start([sim for sim in sims if not self._rows[sim].running])
            actions = self._actions(policies, sims, behaviours)
            bounded = np.empty_like(actions)
            for place, sim in enumerate(sims):
                bounded[place] = policies[sim // self.num_envs].to_env(actions[place][None])[0]
                if not np.isfinite(bounded[place]).all():
                    raise SimulationError(f"{self._where(sim)}: the policy's action must be finite")
            self._step(sims, actions, bounded)
            left[sims] -= 1

    def episode(self, member: int, sim: int) -> Episode:
        """Return a simulation's episode so far."""
        rows = self._rows[self._index(member, sim)]
        return Episode(float(sum(rows.reward)), len(rows.reward), rows.ended)

    def store(self, member: int, sim: int, replay: LapReplay) -> None:
        """Add rows that were not added yet: an ended episode in one piece, or step by step."""
        rows = self._rows[self._index(member, sim)]
        length = len(rows.reward)
        if rows.ended and rows.stored == 0 and length <= replay.capacity:
            reward = np.array(rows.reward, np.float32)
            arrays = np.stack(rows.obs), np.stack(rows.action), reward
            replay.add_episode(*arrays, rows.terminated, member=member, stream=sim)
            rows.stored = length
        for step in range(rows.stored, length):
            last = rows.ended and step + 1 == length
            ends = last and rows.terminated, last and not rows.terminated
            row = rows.obs[step], rows.action[step], rows.reward[step], rows.obs[step + 1]
            replay.add(*row, *ends, member=member, stream=sim)
        rows.stored = length

    def clear(self, member: int, sim: int) -> None:
        """Forget the simulation's episode."""
        self._rows[self._index(member, sim)] = _Rows()

    def resume(self, member: int, steps: Sequence[int], generators: Sequence[Any]) -> None:
        """Put back a member's steps and generator states."""
        for sim, (taken, state) in enumerate(zip(steps, generators, strict=True)):
            index = self._index(member, sim)
            self._steps[member, sim] = taken
            self._rows[index] = _Rows()
            self._seeded[index] = state is not None
            if state is not None:
                self.simulations.restore_generators([state], np.array([index]))

    def generators(self, member: int) -> list[GeneratorState]:
        """Return the states of a member's generators: None before the first episode.

        Of an environment whose generator is not Gymnasium's PCG64 it is an empty dict; such a
        generator cannot be put back.
        """
        sims = np.arange(self._index(member, 0), self._index(member + 1, 0))
        return [
            self.simulations.generator_states(sims[i : i + 1])[0] if self._seeded[sim] else None
            for i, sim in enumerate(sims)
        ]

    def close(self) -> None:
        """Close the environments."""
        self.simulations.close()

    def _index(self, member: int, sim: int) -> int:
        return member * self.num_envs + sim

    def _start(self, sims: Sequence[int]) -> None:
        if not sims:
            return
        # a simulation's generator is seeded once; later resets go on with its stream
        seeds = [None if self._seeded[sim] else self._env_seeds[sim] for sim in sims]
        obs = self.simulations.reset(np.array(sims), seeds)
        for place, sim in enumerate(sims):
            self._seeded[sim], self._rows[sim] = True, _Rows()
            self._rows[sim].obs.append(self._finite(sim, obs[place], "first observation"))
            self._rows[sim].running = True

    def _actions(
        self, policies: Sequence[NativePolicy], sims: Sequence[int], behaviours: Sequence[Behaviour]
    ) -> Float32:
        """Return the actions [n, A] in [-1, 1] of simulations [n], in their order."""
        actions = []
        for member, policy in enumerate(policies):
            mine = [sim for sim in sims if sim // self.num_envs == member]
            if not mine:
                continue
            size, behaviour = policy.action_size, behaviours[member]
            counters = [((sim % self.num_envs) << 40) + int(self._taken(sim)) for sim in mine]
            seeds = [self.seeds[member]] * len(mine)
            if behaviour == "random":
                uniform = draws.uniform(seeds, "warmup", counters, size)
                actions.append((2 * uniform - 1).astype(np.float32))
                continue
            action = policy.normalised(np.stack([self._rows[sim].obs[-1] for sim in mine]))
            if behaviour == "explore":
                noise = draws.normal(seeds, "exploration", counters, size)
                action = np.clip(action + np.float32(self.exploration_noise) * noise, -1, 1)
            actions.append(action)
        return np.concatenate(actions)

    def _step(self, sims: Sequence[int], actions: Float32, bounded: Float32) -> None:
        obs, reward, terminated, truncated = self.simulations.step(np.array(sims), bounded)
        failures = []
        for place, sim in enumerate(sims):
            rows = self._rows[sim]
            rows.running = False  # until the values are known to be good
            try:
                next_obs = self._finite(sim, obs[place], "observation")
                self._finite(sim, reward[place], "reward")
            except SimulationError as error:
                failures.append(error)
                continue
            self._steps[sim // self.num_envs, sim % self.num_envs] += 1
            rows.obs.append(next_obs)
            rows.action.append(actions[place])
            rows.reward.append(float(reward[place]))
            rows.terminated = bool(terminated[place])
            rows.ended = rows.terminated or bool(truncated[place])
            rows.running = not rows.ended
        if failures:
            raise failures[0]

    def _taken(self, sim: int) -> np.int64:
        return self._steps[sim // self.num_envs, sim % self.num_envs]

    def _finite(self, sim: int, value: Any, name: str) -> Float32:
        """Copy a value as float32, checked to be finite."""
        array = np.array(value, np.float32, order="C")
        check_finite(array, name, self._where(sim))
        return array

    def _where(self, sim: int) -> str:
        """Say where a simulation's next step is, for errors."""
        step, episode_step = self._taken(sim) + 1, len(self._rows[sim].reward) + 1
        seed = self.seeds[sim // self.num_envs]
        which = f", simulation {sim % self.num_envs}" if self.num_envs > 1 else ""
        return f"seed {seed}{which}, step {step} (episode step {episode_step})"
