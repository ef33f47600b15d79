"""Rollouts of environments that are stepped from Python: a task's or Gymnasium's."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from td7 import draws
from td7.deploy.native import NativePolicy
from td7.envs import SimulationError, Simulations
from td7.rollout.interface import (
    Behaviour,
    Episode,
    GeneratorState,
    Replay,
    env_seeds,
    store_rows,
)

Float32 = NDArray[np.float32]


@dataclass
class _Episode:
    """One simulation's episode so far, and its rows of float32 that are not stored yet."""

    obs: list[Float32] = field(default_factory=list)  # one more than actions
    action: list[Float32] = field(default_factory=list)
    reward: list[float] = field(default_factory=list)
    episode_return: float = 0.0
    length: int = 0
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
        keep_rows: bool,
        seed_offset: int,
    ) -> None:
        self.simulations, self.seeds, self.num_envs = simulations, tuple(seeds), num_envs
        self.exploration_noise, self.keep_rows = exploration_noise, keep_rows
        self.observation_space = simulations.observation_space
        self.action_space = simulations.action_space
        self.max_episode_steps = simulations.max_episode_steps
        self._env_seeds = [
            env_seed for seed in seeds for env_seed in env_seeds(seed + seed_offset, num_envs)
        ]
        self._seeded = [False] * len(self._env_seeds)
        self._episodes = [_Episode() for _ in self._env_seeds]
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
        """Step all that run together; see Rollouts."""
        left = most_steps.reshape(-1).copy()
        failures: list[str] = []
        while not stopped():
            sims = [i for i, each in enumerate(self._episodes) if left[i] > 0 and not each.ended]
            if not sims:
                break
            failed = self._start([sim for sim in sims if not self._episodes[sim].running])
            sims = [sim for sim in sims if self._episodes[sim].running]
            if sims:
                failed |= self._step(sims, *self._actions(policies, sims, behaviours))
            left[sims] -= 1
            left[list(failed)] = 0
            failures += failed.values()
        if failures:
            raise SimulationError("; ".join(failures[:3]))

    def episode(self, member: int, sim: int) -> Episode:
        """Return a simulation's episode so far."""
        episode = self._episodes[self._index(member, sim)]
        return Episode(episode.episode_return, episode.length, episode.ended)

    def store(self, member: int, sim: int, replay: Replay) -> None:
        """Add rows that were not added yet: an ended episode in one piece, or step by step."""
        episode = self._episodes[self._index(member, sim)]
        if not episode.reward:
            return
        store_rows(
            replay,
            np.stack(episode.obs),
            np.stack(episode.action),
            np.array(episode.reward, np.float32),
            terminated=episode.terminated,
            truncated=episode.ended and not episode.terminated,
            whole=episode.ended and len(episode.reward) == episode.length,
            member=member,
            stream=sim,
        )
        del episode.obs[:-1], episode.action[:], episode.reward[:]

    def clear(self, member: int, sim: int) -> None:
        """Forget the simulation's episode."""
        self._episodes[self._index(member, sim)] = _Episode()

    def resume(self, member: int, steps: Sequence[int], generators: Sequence[Any]) -> None:
        """Put back a member's steps and generator states."""
        for sim, (taken, state) in enumerate(zip(steps, generators, strict=True)):
            index = self._index(member, sim)
            self._steps[member, sim] = taken
            self._episodes[index] = _Episode()
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

    def _start(self, sims: Sequence[int]) -> dict[int, str]:
        """Start episodes; returns what is wrong with those that failed."""
        if not sims:
            return {}
        # a simulation's generator is seeded once; later resets go on with its stream
        seeds = [None if self._seeded[sim] else self._env_seeds[sim] for sim in sims]
        given = self.simulations.reset(np.array(sims), seeds)
        obs = np.array(given, np.float32, order="C")
        finite = np.isfinite(obs).min(axis=1).tolist()
        failed = {}
        for place, sim in enumerate(sims):
            self._seeded[sim] = True
            self._episodes[sim] = _Episode(obs=[obs[place]], running=finite[place])
            if not finite[place]:
                failed[sim] = self._not_finite(sim, "first observation", given[place])
        return failed

    def _actions(
        self, policies: Sequence[NativePolicy], sims: Sequence[int], behaviours: Sequence[Behaviour]
    ) -> tuple[Float32, Float32]:
        """Return the actions [n, A] of simulations [n]: in [-1, 1], and in the env's units."""
        actions, bounded = [], []
        for member, policy in enumerate(policies):
            mine = [sim for sim in sims if sim // self.num_envs == member]
            if not mine:
                continue
            action = self._member_actions(member, policy, mine, behaviours[member])
            actions.append(action)
            bounded.append(policy.to_env(action))
            for sim, row in zip(mine, bounded[-1], strict=True):
                if not np.isfinite(row).all():
                    text = f"{self._where(sim)}: the policy's action must be finite, got {row}"
                    raise SimulationError(text)
        return np.concatenate(actions), np.concatenate(bounded)

    def _member_actions(
        self, member: int, policy: NativePolicy, sims: Sequence[int], behaviour: Behaviour
    ) -> Float32:
        size, seeds = policy.action_size, [self.seeds[member]] * len(sims)
        counters = [((sim % self.num_envs) << 40) + int(self._taken(sim)) for sim in sims]
        if behaviour == "random":
            uniform = draws.uniform(seeds, "warmup", counters, size)
            return (2 * uniform - 1).astype(np.float32)
        action = policy.normalised(np.stack([self._episodes[sim].obs[-1] for sim in sims]))
        if behaviour == "explore":
            noise = draws.normal(seeds, "exploration", counters, size)
            action = np.clip(action + np.float32(self.exploration_noise) * noise, -1, 1)
        return action

    def _step(self, sims: Sequence[int], actions: Float32, bounded: Float32) -> dict[int, str]:
        """Step simulations; returns what is wrong with those that failed."""
        obs, reward, terminated, truncated = self.simulations.step(np.array(sims), bounded)
        rows = np.array(obs, np.float32, order="C")  # an environment may reuse its arrays
        obs_finite = np.isfinite(rows).min(axis=1).tolist()
        reward_finite = np.isfinite(reward.astype(np.float32)).tolist()
        failed = {}
        for place, sim in enumerate(sims):
            episode = self._episodes[sim]
            if not obs_finite[place] or not reward_finite[place]:
                episode.running = False
                name, value = ("reward", reward) if obs_finite[place] else ("observation", obs)
                failed[sim] = self._not_finite(sim, name, value[place])
                continue
            self._steps[sim // self.num_envs, sim % self.num_envs] += 1
            episode.obs.append(rows[place])
            episode.action.append(actions[place])
            episode.reward.append(float(reward[place]))
            if not self.keep_rows:
                del episode.obs[:-1], episode.action[:], episode.reward[:]
            episode.episode_return += float(reward[place])
            episode.length += 1
            episode.terminated = bool(terminated[place])
            episode.ended = episode.terminated or bool(truncated[place])
            episode.running = not episode.ended
        return failed

    def _taken(self, sim: int) -> np.int64:
        return self._steps[sim // self.num_envs, sim % self.num_envs]

    def _not_finite(self, sim: int, name: str, value: Any) -> str:
        return f"{self._where(sim)}: the environment's {name} must be finite, got {value}"

    def _where(self, sim: int) -> str:
        """Say where a simulation's next step is, for errors."""
        step, episode_step = self._taken(sim) + 1, self._episodes[sim].length + 1
        seed = self.seeds[sim // self.num_envs]
        which = f", simulation {sim % self.num_envs}" if self.num_envs > 1 else ""
        return f"seed {seed}{which}, step {step} (episode step {episode_step})"
