"""Rollouts of the tasks in C++: physics, policy and rows without Python."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from td7.draws import seed_array
from td7.envs import SimulationError
from td7.envs.native import make_engine, pcg64_state, pcg64_words, spaces
from td7.extension import core
from td7.policy.acting import Acting
from td7.policy.native import NativePolicy
from td7.replay import LapReplay
from td7.rollout.rollouts import (
    Behaviour,
    Episode,
    Replay,
    Rows,
    SimulationState,
    digest,
    env_seeds,
    put_back,
    store_rows,
)


class NativeRollouts:
    """`Rollouts` on the engine (csrc/rollout/rollouts.h)."""

    def __init__(
        self,
        env: str,
        seeds: Sequence[int],
        num_envs: int,
        num_threads: int,
        exploration_noise: float,
        keep_rows: bool,
        seed_offset: int,
        max_episode_steps: int = 0,
    ) -> None:
        self.observation_space, self.action_space = spaces(env)
        limit = {"max_episode_steps": max_episode_steps} if max_episode_steps else {}
        self._engine = make_engine(env, len(seeds) * num_envs, num_threads, **limit)
        self.max_episode_steps: int | None = self._engine.max_episode_steps
        self.num_envs, self.exploration_noise = num_envs, exploration_noise
        for member, seed in enumerate(seeds):
            for sim, env_seed in enumerate(env_seeds(seed + seed_offset, num_envs)):
                state = dict(np.random.PCG64(env_seed).state)
                self._engine.seed(member * num_envs + sim, pcg64_words(state))
        self._core = core.Rollouts(self._engine, seed_array(seeds), keep_rows)
        self._shape = len(seeds), num_envs
        self._stored = np.zeros(self._shape, np.int64)  # rows given to a device

    @property
    def steps(self) -> NDArray[np.int64]:
        """Steps that each simulation has taken in its life [P, N]."""
        return self._core.steps.reshape(self._shape)

    def run(
        self,
        policies: Sequence[Acting],
        most_steps: NDArray[np.int64],
        behaviours: Sequence[Behaviour],
        stopped: Callable[[], bool],
    ) -> None:
        """Run the simulations; see Rollouts."""
        cores = [_core_of(policy) for policy in policies]
        self._core.run(cores, most_steps, list(behaviours), self.exploration_noise, stopped)

    def episode(self, member: int, sim: int) -> Episode:
        """Return a simulation's episode so far."""
        return Episode(*self._core.episode(self._index(member, sim)))

    def store(self, member: int, sim: int, replay: Replay, place: int) -> None:
        """Add rows to the replay; only those of a device pass through Python."""
        index = self._index(member, sim)
        if isinstance(replay, LapReplay) and place == member:
            self._core.store(index, replay.core)
            return
        obs, action, reward, terminated = self.rows(member, sim)
        ended, stored = self.episode(member, sim).ended, self._stored[member, sim]
        self._stored[member, sim] += len(reward)
        store_rows(
            replay,
            obs,
            action,
            reward,
            terminated=terminated,
            truncated=ended and not terminated,
            whole=ended and stored == 0,
            member=place,
            stream=sim,
        )

    def rows(self, member: int, sim: int) -> Rows:
        """Return the rows of the episode so far that were not stored on a device."""
        obs, action, reward, terminated = self._core.rows(self._index(member, sim))
        stored = self._stored[member, sim]
        return Rows(obs[stored:], action[stored:], reward[stored:], terminated)

    def clear(self, member: int, sim: int) -> None:
        """Forget the simulation's episode."""
        self._core.clear(self._index(member, sim))
        self._stored[member, sim] = 0

    def set_steps(self, member: int, sim: int, steps: int) -> None:
        """Set how many steps a simulation has taken; see Rollouts."""
        self._core.set_steps(self._index(member, sim), steps)

    def states(self, member: int) -> list[SimulationState]:
        """Return where a member's simulations are."""
        states = []
        for sim in range(self.num_envs):
            index = self._index(member, sim)
            obs, actions, _, _ = self._core.rows(index)
            states.append(
                SimulationState(
                    steps=int(self._core.steps[index]),
                    generator=pcg64_state(self._core.began(index)),
                    actions=actions,
                    stored=max(self._core.stored(index), int(self._stored[member, sim])),
                    episode_return=self.episode(member, sim).episode_return,
                    seen=digest(obs),
                )
            )
        return states

    def resume(self, member: int, states: Sequence[SimulationState], policy: Acting) -> list[int]:
        """Put a member's simulations where they were; see Rollouts."""
        return [s for s, state in enumerate(states) if not self._put(member, s, state, policy)]

    def _put(self, member: int, sim: int, state: SimulationState, policy: Acting) -> bool:
        def repeat() -> tuple[int, float, str] | None:
            index = self._index(member, sim)
            try:
                self._core.repeat(index, _core_of(policy), state.actions, state.stored)
            except SimulationError:
                return None
            self._stored[member, sim] = state.stored
            made = self.states(member)[sim]
            return len(made.actions), made.episode_return, made.seen

        return put_back(state, partial(self._rest, member, sim, state), repeat)

    def _rest(self, member: int, sim: int, state: SimulationState, steps: int) -> None:
        """Leave the simulation between episodes."""
        index = self._index(member, sim)
        self._core.set_steps(index, steps)
        assert state.generator is not None, "simulations in C++ are seeded from the start"
        self._engine.seed(index, pcg64_words(state.generator))
        self.clear(member, sim)

    def close(self) -> None:
        """Nothing is open: threads end with the object."""

    def _index(self, member: int, sim: int) -> int:
        return member * self.num_envs + sim


def _core_of(policy: Acting) -> Any:
    """Return the policy in C++, which the engine calls; others act in SteppedRollouts."""
    assert isinstance(policy, NativePolicy)
    return policy.core
