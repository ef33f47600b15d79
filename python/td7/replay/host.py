"""LAP replay in host memory: a thin numpy layer over the C++ core.

It allocates and names; it computes nothing.

Shape letters: P members, M members of one call, B batch, S observation, A action, T steps of an
episode.
"""

from __future__ import annotations

import operator
import os
from collections.abc import Sequence
from typing import Any

import numpy as np

from td7.draws import integer, seed_array, whole_number
from td7.extension import core
from td7.replay.batch import Batch, Bool, Float32, Int64
from td7.replay.settings import ReplaySettings

MOST_DRAWS = 2**28  # of one call


class LapReplay(ReplaySettings):
    """Prioritised replay for P members that share sizes and settings but nothing else.

    Works with any off-policy algorithm; with `alpha=0` it draws uniformly::

        replay = LapReplay(1_000_000, obs_size=17, action_size=6, seeds=(7,))
        obs, _ = env.reset()
        while training:
            action = policy(obs)  # float32 [6]
            next_obs, reward, terminated, truncated, _ = env.step(action)  # obs: float32 [17]
            replay.add(obs, action, reward, next_obs, terminated, truncated)
            obs = env.reset()[0] if terminated or truncated else next_obs
            batch = replay.sample(256)  # batch.obs [1, 256, 17], ...
            td_error = learn(batch)  # absolute, float32 [1, 256]
            replay.update_priorities(batch.index, td_error)

    A transition is drawn with probability proportional to its priority max(td_error,
    min_priority)^alpha, with replacement; a new one has the largest priority so far. A full
    buffer drops its oldest transitions: exactly in order with one stream, to within a segment of
    at most 256 slots with several. Member p draws from the counter-based stream (seeds[p],
    "replay"), so its batches depend on its own seed and history only.

    Arguments: `capacity` transitions a member; `obs_size`, `action_size` numbers a row; `seeds`
    one a member; `streams` independent writers a member (environments); `alpha` in [0, 1];
    `min_priority` > 0; `scratch_dir` a folder in which the rows are kept, in a file that is gone
    with the replay, when they are more than memory holds (priorities stay in memory; forked
    processes share the file).

    Arrays must be C-contiguous and of the stated type: they are refused, never converted.
    ValueError tells a bad value, IndexError a bad index, member or stream, OSError a full disk; the
    buffer is then unchanged. Python threads may share a buffer.

    An index is valid until the next transition is added to that member: a full buffer may then
    drop the transition and give its slot to another, to which the index would belong. Where
    transitions are added in between, give the batch's `drawn_at` to `update_priorities` too: it
    leaves out what is gone and says how many that were. `drawn_at` is not saved.

    The arguments can be read as attributes and not be changed. A replay cannot be pickled or
    copied: use `save` and `load`. `len(replay)` counts the transitions of all members.

    Source: Fujimoto, Meger, Precup, "An Equivalence between Loss Functions and Non-Uniform
    Sampling in Experience Replay" (NeurIPS 2020).
    """

    def __init__(
        self,
        capacity: int,
        obs_size: int,
        action_size: int,
        *,
        seeds: Sequence[int] = (0,),
        streams: int = 1,
        alpha: float = 0.4,
        min_priority: float = 1.0,
        scratch_dir: str | os.PathLike[str] | None = None,
    ) -> None:
        if scratch_dir is not None and not os.fspath(scratch_dir):
            raise ValueError("scratch_dir must name a folder, got an empty path")
        seed_numbers = seed_array(seeds)
        self._core = core.LapReplay(
            seeds=seed_numbers,
            alpha=alpha,
            min_priority=min_priority,
            scratch_dir=b"" if scratch_dir is None else path_bytes(scratch_dir),
            **core_arguments(
                capacity=capacity, obs_size=obs_size, action_size=action_size, streams=streams
            ),
        )
        self._keep(
            seeds=tuple(seed_numbers.tolist()),
            capacity=capacity,
            obs_size=obs_size,
            action_size=action_size,
            streams=streams,
            alpha=alpha,
            min_priority=min_priority,
        )
        self._all = np.arange(self._core.members, dtype=np.int64)

    @property
    def core(self) -> Any:
        """The object in C++, for what fills it there."""
        return self._core

    @property
    def nbytes(self) -> int:
        """Bytes of memory held for all members, without what lies in `scratch_dir`.

        Whole pages of rows and priorities, and bookkeeping.
        """
        return self._core.nbytes

    def size(self, member: int = 0) -> int:
        """Number of transitions that can be drawn."""
        return self._core.size(member)

    def clear(self, members: Sequence[int] | Int64 | None = None) -> None:
        """Removes all transitions of members [M], default all, and gives their memory back.

        Open episodes end, the maximum priority is 1 again; the draw counter goes on, so that later
        draws are new ones.
        """
        self._core.clear(self._chosen(members))

    def add(
        self,
        obs: Float32,
        action: Float32,
        reward: float | Float32,
        next_obs: Float32,
        terminated: bool | Bool,
        truncated: bool | Bool = False,
        *,
        member: int = 0,
        stream: int = 0,
    ) -> None:
        """Adds one transition, which can be drawn at once; or one of each of N streams.

        obs, next_obs float32 [S]; action float32 [A]; all finite, else ValueError; `reward` a
        number; `terminated` and `truncated` bools, or 0 or 1. Either one ends the stream's
        episode; an `obs` that is not the last `next_obs` of an open episode starts a new one.

        With obs, next_obs [N, S], action [N, A], reward float32 [N], terminated and truncated
        bool [N] (or one flag for all), row i is the next transition of stream `stream` + i, of an
        environment say: `streams` must be as many. All rows are added or none.
        """
        self._core.add(member, stream, obs, action, reward, next_obs, terminated, truncated)

    def end_episode(self, *, member: int = 0, stream: int = 0) -> None:
        """Closes the stream's open episode, if any; the next transition starts a new one."""
        self._core.end_episode(member, stream)

    def add_episode(
        self,
        obs: Float32,
        action: Float32,
        reward: Float32,
        terminated: bool,
        *,
        member: int = 0,
        stream: int = 0,
    ) -> None:
        """Adds a whole episode of T steps, 1 <= T <= capacity.

        obs float32 [T + 1, S], the last row being what followed the last action; action float32
        [T, A]; reward float32 [T]; `terminated` tells whether the last step ended it truly.
        ValueError if not finite or too long.
        """
        self._core.add_episode(member, stream, obs, action, reward, terminated)

    def add_transitions(
        self,
        obs: Float32,
        action: Float32,
        reward: Float32,
        next_obs: Float32,
        terminated: Bool,
        truncated: Bool,
        *,
        member: int = 0,
        stream: int = 0,
    ) -> None:
        """Adds N transitions as `add` would one by one, but all or none: a data set, say.

        obs, next_obs float32 [N, S]; action float32 [N, A]; reward float32 [N]; terminated,
        truncated bool [N]; 1 <= N <= capacity. They may come in any order; where `next_obs` is the
        next one's `obs` and no episode ended it is stored once. ValueError if not finite or too
        many.
        """
        self._core.add_transitions(
            member, stream, obs, action, reward, next_obs, terminated, truncated
        )

    def sample(
        self,
        batch_size: int,
        *,
        members: Sequence[int] | Int64 | None = None,
        out: Batch | None = None,
        probability: bool = False,
    ) -> Batch:
        """Draws `batch_size` transitions for each of M members, with replacement, in one call.

        members [M], distinct, default all. `out` is filled and returned where given (its `index`
        must have `batch_size` columns; `TensorBatch.arrays` is one whose memory torch tensors
        share); `probability` asks for each row's chance. ValueError if a member is empty.
        """
        chosen = self._chosen(members)
        if out is None:
            if not 1 <= integer("batch_size", batch_size) <= MOST_DRAWS:
                raise ValueError(f"batch_size must be from 1 to {MOST_DRAWS}, got {batch_size}")
            sizes = (self.obs_size, self.action_size)
            out = Batch.empty(len(chosen), batch_size, *sizes, probability=probability)
        elif not isinstance(out, Batch):
            given = type(out).__name__
            raise TypeError(f"out must be a Batch, such as TensorBatch.arrays, got {given}")
        elif out.index.shape[-1] != batch_size:
            raise ValueError(
                f"out.index must have {batch_size} columns, got {list(out.index.shape)}"
            )
        elif probability and out.probability is None:
            raise ValueError(
                "out.probability must be an array float64 [M, B] to report probabilities, got None"
            )
        self._core.sample(
            chosen,
            out.obs,
            out.action,
            out.reward,
            out.next_obs,
            out.not_terminated,
            out.index,
            out.probability,
            out.drawn_at,
        )
        return out

    def update_priorities(
        self,
        index: Int64,
        td_error: Float32,
        *,
        members: Sequence[int] | Int64 | None = None,
        drawn_at: Int64 | None = None,
    ) -> int:
        """Sets the priorities of drawn transitions to max(td_error, min_priority)^alpha.

        index int64 [M, B] as from `sample`; td_error float32 [M, B], absolute, finite; members
        [M], default all. Of equal indices of a member the last one wins.

        Without `drawn_at` nothing may have been added to the members since the draw: IndexError
        for an index that holds no transition, and one that holds another by now is not noticed.
        `drawn_at` int64 [M], the batch's, says when it was drawn: then transitions that are gone
        are left out. Returns how many were left out.
        """
        return self._core.update_priorities(self._chosen(members), index, td_error, drawn_at)

    def priority(self, index: int, member: int = 0) -> float:
        """The priority of one transition, raised to alpha; IndexError if there is none."""
        return self._core.priority(member, index)

    def path_probability(self, index: int, member: int = 0) -> float:
        """The chance that one draw gives this transition; IndexError if there is none."""
        return self._core.path_probability(member, index)

    def max_priority(self, member: int = 0) -> float:
        """What a new transition gets, raised to alpha: 1, then the largest since the last reset."""
        return self._core.max_priority(member)

    def reset_max_priority(self, members: Sequence[int] | Int64 | None = None) -> None:
        """Lowers the maximum priority to that of the transitions held; members [M], default all."""
        self._core.reset_max_priority(self._chosen(members))

    def draw_counter(self, member: int = 0) -> int:
        """Number of `sample` calls for this member: with seed and contents it decides a draw."""
        return self._core.draw_counter(member)

    def set_draw_counter(self, value: int, member: int = 0) -> None:
        """Sets the number of `sample` calls, to repeat or to skip draws."""
        self._core.set_draw_counter(member, whole_number("value", value, 64))

    def save(
        self,
        path: str | os.PathLike[str],
        *,
        in_pieces: bool = False,
        earlier: str | os.PathLike[str] | None = None,
    ) -> None:
        """Writes all to one checksummed file: path + ".partial", then fsync and rename.

        `in_pieces` puts the rows beside it, into the new folder path + ".rows", in files of two
        megabytes; those that the save at the path `earlier` has too are linked from there, so that
        writing takes the time of what has changed. `load` finds them itself.
        """
        self._core.save(path_bytes(path), in_pieces, earlier_bytes(in_pieces, earlier))

    def load(self, path: str | os.PathLike[str]) -> None:
        """Replaces everything by a saved state; draws continue exactly as they would have.

        The file must come from a replay of the same arguments. ValueError if it does not, or if
        it is torn or altered, OSError if it cannot be read; the replay is then unchanged. Holds
        old and new state for a moment.
        """
        self._core.load(path_bytes(path))

    def _chosen(self, members: Sequence[int] | Int64 | None) -> Int64:
        if members is None:
            return self._all
        if isinstance(members, np.ndarray):
            return members
        return np.array([operator.index(member) for member in members], np.int64)


def core_arguments(**sizes: int) -> dict[str, int]:
    """Return sizes as ints of the core; TypeError or ValueError names one that is none.

    The core tells what it wants of them itself.
    """
    ints = {name: integer(name, value) for name, value in sizes.items()}
    for name, value in ints.items():
        if not -(2**31) <= value < 2**31 and name != "capacity":
            raise ValueError(f"{name} is far too large, got {value}")
    return ints


def earlier_bytes(in_pieces: bool, earlier: str | os.PathLike[str] | None) -> bytes:
    """Return the path of an earlier save as the core takes it, b"" for none."""
    if earlier is None:
        return b""
    if not in_pieces:
        raise ValueError(f"earlier must be left out without in_pieces, got {earlier!r}")
    return path_bytes(earlier)


def path_bytes(path: str | os.PathLike[str]) -> bytes:
    """Return a path as the core takes it; ValueError for a null character."""
    encoded = os.fsencode(path)
    if b"\0" in encoded:
        raise ValueError(f"path must not contain a null character, got {path!r}")
    return encoded
