"""What the learner knows of rollouts, whoever runs them.

Shape letters: P members, N simulations of a member, S observation, A action.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, Protocol

import numpy as np
from gymnasium.spaces import Box
from numpy.typing import NDArray

from td7.policy.acting import Acting
from td7.replay import DeviceLapReplay, LapReplay

Replay = LapReplay | DeviceLapReplay
Behaviour = Literal["greedy", "explore", "random"]
GeneratorState = dict[str, Any] | None


@dataclass(frozen=True)
class Episode:
    """An episode so far: undiscounted return, length in steps, and whether it has ended."""

    episode_return: float
    length: int
    ended: bool = True


class Rows(NamedTuple):
    """Rows of an episode as the replay takes them, T of them."""

    obs: NDArray[np.float32]  # [T + 1, S]
    action: NDArray[np.float32]  # [T, A], in [-1, 1]
    reward: NDArray[np.float32]  # [T]
    terminated: bool  # by the last of them


@dataclass(frozen=True)
class SimulationState:
    """Where a simulation is: enough to make its episode under way again, to the bit."""

    steps: int  # in its life, those of the episode included
    generator: GeneratorState  # as the episode began; between episodes as it is
    actions: NDArray[np.float32]  # [T, A] of the episode so far, in [-1, 1]
    stored: int  # how many of its rows the replay has
    episode_return: float
    seen: str  # digest of the episode's observations


class Rollouts(Protocol):
    """P x N simulations of one environment; member p's policy chooses the actions of its N.

    The action of a simulation is a pure function of the policy, the observation and, unless
    greedy, of its own draws: streams "exploration" and "warmup" of the member's seed, with the
    counter i * 2^40 + t for step t in the life of simulation i.
    """

    @property
    def observation_space(self) -> Box:
        """Of one simulation."""

    @property
    def action_space(self) -> Box:
        """Of one simulation."""

    @property
    def max_episode_steps(self) -> int | None:
        """Steps after which an episode is cut, None if never."""

    @property
    def steps(self) -> NDArray[np.int64]:
        """Steps that each simulation has taken in its life [P, N]."""

    def run(
        self,
        policies: Sequence[Acting],
        most_steps: NDArray[np.int64],
        behaviours: Sequence[Behaviour],
        stopped: Callable[[], bool],
    ) -> None:
        """Run each simulation until its episode ends or `most_steps` [P, N] are taken; 0 rests.

        An episode that has ended waits, its simulation resting, until it is cleared; one that has
        not goes on at the next call. `stopped` is asked now and then and ends the call early.
        Raises SimulationError where a simulation failed, once the others have done their part; an
        error that an environment stepped from Python raises itself ends the call at once.
        """

    def episode(self, member: int, sim: int) -> Episode:
        """Return a simulation's episode so far."""

    def store(self, member: int, sim: int, replay: Replay, place: int) -> None:
        """Add rows of the episode that were not added yet to member `place` of the replay."""

    def rows(self, member: int, sim: int) -> Rows:
        """Return the rows of the episode so far that were not stored."""

    def clear(self, member: int, sim: int) -> None:
        """Forget the simulation's episode; the next run starts another one."""

    def set_steps(self, member: int, sim: int, steps: int) -> None:
        """Set how many steps a simulation has taken in its life. REQUIRES: between episodes."""

    def states(self, member: int) -> list[SimulationState]:
        """Return where a member's simulations are [N], for `resume`; needs the rows to be kept."""

    def resume(self, member: int, states: Sequence[SimulationState], policy: Acting) -> list[int]:
        """Put a member's first simulations where they were: episodes are repeated by their actions.

        Returns the simulations whose environment did not go the same way again: their episode is
        forgotten, and so are its steps unless rows of it were stored. policy: of the member, for
        the actions' bounds.
        """

    def close(self) -> None:
        """Release the environments."""


def store_rows(
    replay: Replay,
    obs: NDArray[np.float32],
    action: NDArray[np.float32],
    reward: NDArray[np.float32],
    *,
    terminated: bool,
    truncated: bool,
    whole: bool,
    member: int,
    stream: int,
) -> None:
    """Add rows of an episode, obs [T + 1, S] to reward [T]: in one piece if whole, or by steps.

    The last one ends the episode if `terminated` or `truncated`.
    """
    steps = len(reward)
    if whole and steps <= replay.capacity:
        replay.add_episode(obs, action, reward, terminated, member=member, stream=stream)
        return
    for step in range(steps):
        last = step + 1 == steps
        row = obs[step], action[step], float(reward[step]), obs[step + 1]
        ends = last and terminated, last and truncated
        replay.add(*row, *ends, member=member, stream=stream)


def put_back(
    state: SimulationState,
    rest: Callable[[int], None],
    repeat: Callable[[], tuple[int, float, str] | None],
) -> bool:
    """Put a simulation where it was; where its episode goes another way now, before or after it.

    `rest` leaves it between episodes, with so many steps taken; `repeat` makes the episode again
    and returns its length, return and digest, None where it failed.
    """
    length = len(state.actions)
    rest(state.steps - length)
    if length == 0 or repeat() == (length, state.episode_return, state.seen):
        return True
    rest(state.steps - (0 if state.stored else length))  # what the replay has was taken
    return False


def digest(obs: NDArray[np.float32]) -> str:
    """Return the digest of an episode's observations [T + 1, S], for `SimulationState.seen`."""
    return hashlib.blake2b(obs.tobytes(), digest_size=16).hexdigest()


def env_seeds(seed: int, num_envs: int, bits: int = 64) -> list[int]:
    """Return the seeds of a member's simulations: its own seed, then ones derived from it.

    All of them are below 2^bits: a larger own seed is replaced by a derived one.
    Seeds in a row would give member 0's second simulation the episodes of member 1's first.
    """
    own = seed if seed < 2**bits else derived_seed(seed, 0, bits)
    return [own, *(derived_seed(seed, i, bits) for i in range(1, num_envs))]


def derived_seed(seed: int, key: int, bits: int) -> int:
    """Return a seed below 2^bits, a pure function of (seed, key)."""
    sequence = np.random.SeedSequence(seed, spawn_key=(key,))
    return int(sequence.generate_state(1, np.uint64)[0]) >> (64 - bits)
