"""What LapReplay gives: the arrays of drawn transitions.

Shape letters: M members of one call, B batch, S observation, A action.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Float32 = NDArray[np.float32]
Int64 = NDArray[np.int64]
Bool = NDArray[np.bool_]


@dataclass(slots=True)
class Batch:
    """Transitions drawn for M members, each array with the leading axes [M, B].

    `not_terminated` is 0 where the episode truly ended (no bootstrap), else 1, also at a
    truncation. `index` is what `LapReplay.update_priorities` takes back, valid until the next
    transition is added to the member; with `drawn_at`, which says when the batch was drawn, it
    can be given back later, and transitions that are gone are left out. `probability` is the
    chance that one draw of that member gives the row.
    """

    obs: Float32  # [M, B, S]
    action: Float32  # [M, B, A]
    reward: Float32  # [M, B]
    next_obs: Float32  # [M, B, S]
    not_terminated: Float32  # [M, B]
    index: Int64  # [M, B]
    probability: NDArray[np.float64] | None = None  # [M, B]
    drawn_at: Int64 | None = None  # [M]

    @classmethod
    def empty(
        cls,
        members: int,
        batch_size: int,
        obs_size: int,
        action_size: int,
        *,
        probability: bool = False,
    ) -> Batch:
        """Uninitialised arrays of the right shapes, to be filled by `LapReplay.sample(out=...)`."""
        rows = (members, batch_size)
        return cls(
            obs=np.empty((*rows, obs_size), np.float32),
            action=np.empty((*rows, action_size), np.float32),
            reward=np.empty(rows, np.float32),
            next_obs=np.empty((*rows, obs_size), np.float32),
            not_terminated=np.empty(rows, np.float32),
            index=np.empty(rows, np.int64),
            probability=np.empty(rows, np.float64) if probability else None,
            drawn_at=np.empty(members, np.int64),
        )
