"""The replays of several groups of members on a device, as one whose members are numbered through.

Groups share nothing, so one may be filled while another trains.
"""

from __future__ import annotations

from collections.abc import Sequence

from td7.replay.batch import Float32
from td7.replay.device import DeviceLapReplay


class DeviceReplays:
    """What collection needs of `DeviceLapReplay`, for consecutive groups of members."""

    def __init__(self, groups: Sequence[DeviceLapReplay]) -> None:
        self.groups = list(groups)
        self.capacity = self.groups[0].capacity
        self._places = [(group, local) for group in self.groups for local in range(group.members)]

    @property
    def members(self) -> int:
        """Number of members P of all groups."""
        return len(self._places)

    def size(self, member: int = 0) -> int:
        """Number of transitions that can be drawn."""
        group, local = self._places[member]
        return group.size(local)

    def add(
        self,
        obs: Float32,
        action: Float32,
        reward: float,
        next_obs: Float32,
        terminated: bool,
        truncated: bool = False,
        *,
        member: int = 0,
        stream: int = 0,
    ) -> None:
        """Adds one transition; see `DeviceLapReplay.add`."""
        group, local = self._places[member]
        step = obs, action, reward, next_obs, terminated, truncated
        group.add(*step, member=local, stream=stream)

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
        """Adds a whole episode; see `DeviceLapReplay.add_episode`."""
        group, local = self._places[member]
        group.add_episode(obs, action, reward, terminated, member=local, stream=stream)

    def end_episode(self, *, member: int = 0, stream: int = 0) -> None:
        """Closes the stream's open episode, if any."""
        group, local = self._places[member]
        group.end_episode(member=local, stream=stream)
