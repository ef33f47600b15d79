"""Puts a data set into the replays of a run's members, checked, with its episodes contiguous."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from gymnasium.spaces import Box
from numpy.typing import NDArray

from td7.datasets.block import Block, check_block
from td7.datasets.source import Dataset
from td7.replay import LapReplay
from td7.rollout import Replay
from td7.run.dataset_facts import DatasetFacts, reference_scores


def ends(block: Block) -> list[int]:
    """Return the rows at which a next episode would begin: in order, the block's length at most."""
    ended = block.terminated | block.truncated
    ended[:-1] |= (block.next_obs[:-1] != block.obs[1:]).any(1)
    return (np.flatnonzero(ended) + 1).tolist()


class EpisodeCount:
    """Episodes and their returns, as far as a data set has been read.

    An episode ends where it was terminated or truncated, or where the next row does not follow.
    """

    def __init__(self) -> None:
        self.returns: list[float] = []
        self.steps = 0
        self._last: NDArray[Any] | None = None  # what followed the last row, if it ended nothing
        self._return = 0.0

    def add(self, block: Block) -> None:
        """Count a block in the replay's types; it may go on where the last one ended."""
        if self._last is not None and not np.array_equal(self._last, block.obs[0]):
            self._close()
        start = 0
        for stop in ends(block):
            self._return += float(block.reward[start:stop].sum(dtype=np.float64))
            self._close()
            start = stop
        self._return += float(block.reward[start:].sum(dtype=np.float64))
        self._last = None if start == len(block) else block.next_obs[-1]
        self.steps += len(block)

    def facts(self, data: Dataset, env: str) -> DatasetFacts:
        """Return what the run records."""
        if self._last is not None:
            self._close()
        # in no order one row may still follow another by chance
        ordered = 2 * len(self.returns) <= self.steps
        mean = float(np.mean(self.returns)) if ordered else None
        own = data.scores[0] is not None and env == data.env
        scores = data.scores if own else reference_scores(env)
        return DatasetFacts(data.name, self.steps, len(self.returns), mean, *scores)

    def _close(self) -> None:
        self.returns.append(self._return)
        self._return, self._last = 0.0, None


def fill(
    replays: Sequence[tuple[Replay, int]],
    data: Dataset,
    env: str,
    observation_space: Box,
    action_space: Box,
) -> DatasetFacts:
    """Add a data set to the replay of each member [P], given with its number there.

    Rows are float32, actions mapped from the environment's bounds to [-1, 1]. Raises ValueError,
    naming data set, array and first offending transition.
    """
    if data.spaces is not None:
        _check_spaces(data, env, observation_space, action_space)
    count = EpisodeCount()
    for block in data.blocks():
        check_block(block, data.name, observation_space, action_space)
        rows = _as_stored(block, action_space)
        if not len(rows):
            continue
        for replay, place in replays:
            _add(replay, place, rows)
        count.add(rows)
    if count.steps == 0:
        raise ValueError(f"data set {data.name}: it is empty")
    for replay, place in replays:
        if replay.size(place) != count.steps:
            raise ValueError(
                f"data set {data.name}: of its {count.steps} transitions the replay, which holds "
                f"{replay.capacity}, has kept {replay.size(place)}"
            )
    return count.facts(data, env)


def _check_spaces(data: Dataset, env: str, observation_space: Box, action_space: Box) -> None:
    assert data.spaces is not None
    obs, action = data.spaces
    if obs.shape != observation_space.shape:
        raise ValueError(
            f"data set {data.name}: its observations are {list(obs.shape)}, those of {env} "
            f"{list(observation_space.shape)}"
        )
    same = action.shape == action_space.shape and all(
        np.allclose(getattr(action, end), getattr(action_space, end), rtol=0, atol=1e-6)
        for end in ("low", "high")
    )
    if not same:
        raise ValueError(
            f"data set {data.name}: its actions are {action}, those of {env} {action_space}"
        )


def _as_stored(block: Block, action_space: Box) -> Block:
    """Return the rows to be learned from, in the replay's types and units."""
    low, high = (bound.astype(np.float64) for bound in (action_space.low, action_space.high))
    kept = slice(None) if block.kept is None else block.kept
    return Block(
        np.ascontiguousarray(block.obs[kept], np.float32),
        np.clip(2 * (block.action[kept] - low) / (high - low) - 1, -1, 1).astype(np.float32),
        np.ascontiguousarray(block.reward[kept], np.float32),
        np.ascontiguousarray(block.next_obs[kept], np.float32),
        np.ascontiguousarray(block.terminated[kept] != 0),
        np.ascontiguousarray(block.truncated[kept] != 0),
        block.first,
    )


def _add(replay: Replay, place: int, rows: Block) -> None:
    if isinstance(replay, LapReplay):
        replay.add_transitions(
            rows.obs,
            rows.action,
            rows.reward,
            rows.next_obs,
            rows.terminated,
            rows.truncated,
            member=place,
        )
        return
    start = 0
    for stop in [*ends(rows), len(rows)]:  # a device takes steps and episodes
        if start < stop:
            obs = np.concatenate([rows.obs[start:stop], rows.next_obs[stop - 1 : stop]])
            action, reward = rows.action[start:stop], rows.reward[start:stop]
            replay.add_episode(obs, action, reward, bool(rows.terminated[stop - 1]), member=place)
        start = stop
