"""Collection: waves of whole episodes under the frozen policies, stored and assessed in order."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from td7.policy.acting import Acting
from td7.rollout import Behaviour, Episode, Replay, Rollouts, SimulationState


class Collector:
    """Each member's wave: the simulations that run one episode each, and its steps so far.

    A wave ends when the last of its episodes has ended; only then are they stored and counted, in
    the order of the simulations. So nothing depends on which of them ended first.
    """

    def __init__(
        self, rollouts: Rollouts, replays: Sequence[tuple[Replay, int]], num_envs: int
    ) -> None:
        """Take each member's replay [P] and its number there."""
        self.rollouts, self.replays, self.num_envs = rollouts, list(replays), num_envs
        self.waves: list[list[int]] = [[] for _ in replays]
        # episodes of a wave that has ended, stored but not assessed yet
        self.uncounted: list[list[Episode]] = [[] for _ in replays]

    @property
    def env_steps(self) -> list[int]:
        """Steps that each member has taken [P]."""
        return self.rollouts.steps.sum(1).tolist()

    def begin(self, member: int, size: int) -> None:
        """Begin a wave of min(num_envs, size) episodes, unless one is under way."""
        if not self.waves[member]:
            self.waves[member] = list(range(min(self.num_envs, size)))

    def run(
        self,
        policies: Sequence[Acting],
        behaviours: Sequence[Behaviour],
        steps_left: Sequence[int],
        stopped: Callable[[], bool],
    ) -> None:
        """Run the waves together until each has ended or its member took `steps_left` [P]."""
        left = np.array(steps_left, np.int64)
        while not stopped():
            before = self.rollouts.steps.sum(1)
            most = self._most_steps(left)
            if not most.any():
                return
            self.rollouts.run(policies, most, behaviours, stopped)
            left -= self.rollouts.steps.sum(1) - before

    def step(self, member: int, policies: Sequence[Acting], most: int) -> list[Episode]:
        """Take an exploring step of each simulation, `most` in all, and store it at once.

        Returns the episodes that have ended.
        """
        wanted = np.zeros_like(self.rollouts.steps)
        wanted[member, : min(self.num_envs, most)] = 1
        self.rollouts.run(policies, wanted, ["explore"] * len(policies), lambda: False)
        ended = []
        for sim in range(self.num_envs):
            self.rollouts.store(member, sim, *self.replays[member])
            if (episode := self.rollouts.episode(member, sim)).ended:
                ended.append(episode)
                self.rollouts.clear(member, sim)
        return ended

    def finish(self, member: int) -> None:
        """Store the episodes of a wave that has ended, and keep their returns in `uncounted`."""
        wave = self.waves[member]
        episodes = [self.rollouts.episode(member, sim) for sim in wave]
        if wave and all(episode.ended for episode in episodes):
            self._store(member, wave)
            self.waves[member], self.uncounted[member] = [], episodes

    def leave_wave(self, member: int) -> None:
        """Store the rows of a wave under way; its episodes continue by single steps."""
        for sim in self.waves[member]:
            self.rollouts.store(member, sim, *self.replays[member])
            if self.rollouts.episode(member, sim).ended:
                self.rollouts.clear(member, sim)
        self.waves[member], self.uncounted[member] = [], []

    def resume(
        self,
        member: int,
        states: Sequence[SimulationState],
        policy: Acting,
        wave: Sequence[int],
    ) -> list[int]:
        """Put a member's simulations and its wave where they were; see `Rollouts.resume`.

        An episode that is lost is truncated in the replay, if it has rows there.
        """
        lost = self.rollouts.resume(member, states, policy)
        replay, place = self.replays[member]
        for sim in lost:
            replay.end_episode(member=place, stream=sim)
        self.waves[member] = list(wave)
        return lost

    def cut(self) -> None:
        """Store what has been collected of episodes that are not finished, and leave them."""
        for member in range(len(self.replays)):
            self.cut_member(member)

    def cut_member(self, member: int) -> int:
        """Store what a member has collected of its episodes, and leave them; return their steps."""
        sims = range(self.num_envs)
        steps = sum(self.rollouts.episode(member, sim).length for sim in sims)
        self._store(member, sims)
        self.waves[member] = []
        return steps

    def _store(self, member: int, sims: Sequence[int]) -> None:
        replay, place = self.replays[member]
        for sim in sims:
            self.rollouts.store(member, sim, replay, place)
            replay.end_episode(member=place, stream=sim)
            self.rollouts.clear(member, sim)

    def _most_steps(self, left: NDArray[np.int64]) -> NDArray[np.int64]:
        """Share the steps that members may take [P] among their simulations that have not ended.

        Their episodes are to become equally long, so that it does not matter how far each of them
        was when the last call ended.
        """
        most = np.zeros_like(self.rollouts.steps)
        for member, wave in enumerate(self.waves):
            episodes = {sim: self.rollouts.episode(member, sim) for sim in wave}
            lengths = {sim: each.length for sim, each in episodes.items() if not each.ended}
            for place, (sim, length) in enumerate(lengths.items()):
                share, rest = divmod(int(left[member]) + sum(lengths.values()), len(lengths))
                most[member, sim] = max(0, share + (place < rest) - length)
        return most
