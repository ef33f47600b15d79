"""Rollouts of environments that are stepped from Python: a task's or Gymnasium's."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from td7 import draws
from td7.envs import SimulationError, Simulations
from td7.envs.simulations import failed_simulation
from td7.policy.acting import Acting
from td7.rollout.rollouts import (
    Behaviour,
    Episode,
    GeneratorState,
    Replay,
    Rows,
    SimulationState,
    derived_seed,
    env_seeds,
    put_back,
    store_rows,
)
from td7.torch_settings import environment_settings

Float32 = NDArray[np.float32]


@dataclass
class _Episode:
    """One simulation's episode so far, and its rows of float32 that are not stored yet."""

    began: GeneratorState = None  # the generator's state at its start; None: not seeded then
    actions: list[Float32] = field(default_factory=list)  # all that were taken
    seen: Any = field(default_factory=lambda: hashlib.blake2b(digest_size=16))  # of all obs
    obs: list[Float32] = field(default_factory=list)  # one more than actions not stored
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
        seed_bits: int = 64,
    ) -> None:
        self.simulations, self.seeds, self.num_envs = simulations, tuple(seeds), num_envs
        self.exploration_noise, self.keep_rows = exploration_noise, keep_rows
        self.observation_space = simulations.observation_space
        self.action_space = simulations.action_space
        self.max_episode_steps = simulations.max_episode_steps
        self._env_seeds = [
            env_seed
            for seed in seeds
            for env_seed in env_seeds(seed + seed_offset, num_envs, seed_bits)
        ]
        self._seed_bits = seed_bits
        self._seeded = [False] * len(self._env_seeds)
        self._new_seeds: dict[int, int] = {}  # for generators that a resume could not restore
        self._episodes = [_Episode() for _ in self._env_seeds]
        self._steps = np.zeros((len(seeds), num_envs), np.int64)

    @property
    def steps(self) -> NDArray[np.int64]:
        """Steps that each simulation has taken in its life [P, N]."""
        return self._steps.copy()

    def run(
        self,
        policies: Sequence[Acting],
        most_steps: NDArray[np.int64],
        behaviours: Sequence[Behaviour],
        stopped: Callable[[], bool],
    ) -> None:
        """Step all that run together; see Rollouts."""
        with environment_settings():
            failures = self._run(policies, most_steps.reshape(-1).copy(), behaviours, stopped)
        if failures:
            more = f"; and {len(failures) - 3} more" if len(failures) > 3 else ""
            raise SimulationError("; ".join(failures[:3]) + more)

    def _run(
        self,
        policies: Sequence[Acting],
        left: NDArray[np.int64],
        behaviours: Sequence[Behaviour],
        stopped: Callable[[], bool],
    ) -> list[str]:
        """Step all that run until they have taken the steps left to them; return what failed."""
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
        return failures

    def episode(self, member: int, sim: int) -> Episode:
        """Return a simulation's episode so far."""
        episode = self._episodes[self._index(member, sim)]
        return Episode(episode.episode_return, episode.length, episode.ended)

    def rows(self, member: int, sim: int) -> Rows:
        """Return the rows of the episode so far that were not stored."""
        episode = self._episodes[self._index(member, sim)]
        action = np.array(episode.action, np.float32).reshape(-1, *self.action_space.shape)
        reward = np.array(episode.reward, np.float32)
        return Rows(np.array(episode.obs, np.float32), action, reward, episode.terminated)

    def store(self, member: int, sim: int, replay: Replay, place: int) -> None:
        """Add rows that were not added yet: an ended episode in one piece, or step by step."""
        episode = self._episodes[self._index(member, sim)]
        if not episode.reward:
            return
        obs, action, reward, terminated = self.rows(member, sim)
        store_rows(
            replay,
            obs,
            action,
            reward,
            terminated=terminated,
            truncated=episode.ended and not terminated,
            whole=episode.ended and len(episode.reward) == episode.length,
            member=place,
            stream=sim,
        )
        del episode.obs[:-1], episode.action[:], episode.reward[:]

    def clear(self, member: int, sim: int) -> None:
        """Forget the simulation's episode."""
        self._episodes[self._index(member, sim)] = _Episode()

    def set_steps(self, member: int, sim: int, steps: int) -> None:
        """Set how many steps a simulation has taken; see Rollouts."""
        self._steps[member, sim] = steps

    def states(self, member: int) -> list[SimulationState]:
        """Return where a member's simulations are; a generator is None before its first episode.

        Of an environment whose generator is not Gymnasium's PCG64 it is an empty dict; such a
        generator cannot be put back.
        """
        states = []
        for sim in range(self._index(member, 0), self._index(member + 1, 0)):
            episode, shape = self._episodes[sim], (-1, self.action_space.shape[0])
            states.append(
                SimulationState(
                    steps=int(self._taken(sim)),
                    generator=episode.began if episode.obs else self._generator(sim),
                    actions=np.array(episode.actions, np.float32).reshape(shape),
                    stored=episode.length - len(episode.reward),
                    episode_return=episode.episode_return,
                    seen=episode.seen.hexdigest(),
                )
            )
        return states

    def resume(self, member: int, states: Sequence[SimulationState], policy: Acting) -> list[int]:
        """Put a member's simulations where they were; see Rollouts."""
        with environment_settings():
            return [s for s, state in enumerate(states) if not self._put(member, s, state, policy)]

    def _put(self, member: int, sim: int, state: SimulationState, policy: Acting) -> bool:
        def repeat() -> tuple[int, float, str] | None:
            index, stored = self._index(member, sim), state.stored
            try:
                failed = bool(self._start([index]))
                for action in state.actions[:, None]:
                    if failed or self._episodes[index].ended:
                        break
                    failed = bool(self._step([index], action, policy.to_env(action)))
            except RuntimeError:  # raised by the environment
                return None
            episode = self._episodes[index]
            del episode.obs[:stored], episode.action[:stored], episode.reward[:stored]
            return episode.length, episode.episode_return, episode.seen.hexdigest()

        return put_back(state, partial(self._rest, member, sim, state), repeat)

    def _rest(self, member: int, sim: int, state: SimulationState, steps: int) -> None:
        """Leave the simulation between episodes."""
        index = self._index(member, sim)
        self._steps[member, sim] = steps
        self._episodes[index] = _Episode()
        self._seeded[index] = state.generator is not None
        if state.generator:
            self.simulations.restore_generators([state.generator], np.array([index]))
        elif state.generator is not None:
            # else the environment would start unseeded, or fail where it needs a first seed
            self._new_seeds[index] = derived_seed(self._env_seeds[index], steps, self._seed_bits)

    def _generator(self, sim: int) -> GeneratorState:
        if not self._seeded[sim]:
            return None
        return self.simulations.generator_states(np.array([sim]))[0]

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
        seeds = [
            self._new_seeds.get(sim) if self._seeded[sim] else self._env_seeds[sim] for sim in sims
        ]
        began = [self._generator(sim) for sim in sims]
        with self._naming_the_member():
            given = self.simulations.reset(np.array(sims), seeds)
        for sim in sims:
            self._new_seeds.pop(sim, None)
        obs = np.array(given, np.float32, order="C")
        finite = np.isfinite(obs).min(axis=1).tolist()
        failed = {}
        for place, sim in enumerate(sims):
            self._seeded[sim] = True
            episode = _Episode(began=began[place], obs=[obs[place]], running=finite[place])
            episode.seen.update(obs[place].tobytes())
            self._episodes[sim] = episode
            if not finite[place]:
                failed[sim] = self._not_finite(sim, "first observation", given[place])
        return failed

    def _actions(
        self, policies: Sequence[Acting], sims: Sequence[int], behaviours: Sequence[Behaviour]
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
        self, member: int, policy: Acting, sims: Sequence[int], behaviour: Behaviour
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
        with self._naming_the_member():
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
            episode.actions.append(actions[place])
            episode.seen.update(rows[place].tobytes())
            if not self.keep_rows:
                del episode.obs[:-1], episode.action[:], episode.reward[:]
            episode.episode_return += float(reward[place])
            episode.length += 1
            episode.terminated = bool(terminated[place])
            episode.ended = episode.terminated or bool(truncated[place])
            episode.running = not episode.ended
        return failed

    @contextmanager
    def _naming_the_member(self) -> Iterator[None]:
        """Put seed, simulation and step before an error that knows its simulation's number."""
        try:
            yield
        except RuntimeError as error:
            sim = failed_simulation(error)
            if sim is None:
                raise
            named = type(error)(f"{self._where(sim)}: {error}")
            raise named from error.__cause__ or error

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
