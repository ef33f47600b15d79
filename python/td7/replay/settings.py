"""What both replays share: settings that stay as they were made, a length, and no copies.

Not here: what a setting means.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NoReturn


class ReplaySettings:
    """The arguments a replay was made with, for reading.

    Setting a public attribute raises AttributeError: the C++ core has its own copy of the
    arguments, so a new value would have no effect.
    """

    seeds: tuple[int, ...]
    capacity: int
    obs_size: int
    action_size: int
    streams: int
    alpha: float
    min_priority: float

    def _keep(self, **settings: Any) -> None:
        """Store the settings; they cannot be changed afterwards."""
        for name, value in settings.items():
            object.__setattr__(self, name, value)

    @property
    def members(self) -> int:
        """Number of members P."""
        return len(self.seeds)

    def __len__(self) -> int:
        """Return the number of transitions of all members that can be drawn."""
        return sum(self.size(member) for member in range(self.members))

    def __bool__(self) -> bool:
        """Return True: an empty replay is a replay, too."""
        return True

    def __reduce_ex__(self, protocol: Any) -> NoReturn:
        name = type(self).__name__
        raise TypeError(
            f"a {name} cannot be pickled or copied: write it by save(path), and read it by "
            f"load(path) of a new {name} with the same arguments"
        )

    if TYPE_CHECKING:

        def size(self, member: int = 0) -> int: ...

    else:  # a type checker must continue to refuse attributes that do not exist

        def __setattr__(self, name: str, value: Any) -> None:
            if name.startswith("_"):
                super().__setattr__(name, value)
                return
            kind = type(self).__name__
            if name not in ReplaySettings.__annotations__:
                raise AttributeError(f"{name} of a {kind} cannot be set, got {value!r}")
            raise AttributeError(
                f"{name} of a {kind} cannot be changed, got {value!r}: make a new {kind} with "
                f"{name}={value!r} and add the transitions to it"
            )
