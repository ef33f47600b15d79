"""Info dicts of all simulations at once, from the engine's rows of numbers.

The same dicts that gymnasium's VectorEnv._add_info builds from one simulation's dict after
another: keys, their order, dtypes, values, and a mask `_key` beside each key.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Flags = NDArray[np.bool_]
Rows = NDArray[np.float64]
Infos = dict[str, Any]
FLOAT64 = np.dtype(np.float64)


class _Field(NamedTuple):
    name: str
    mask: str
    dtype: np.dtype[Any] | None  # None: the actions'
    place: int | slice  # of the row: a number, or an array's numbers


class InfoRows:
    """Reads rows [N, I]; an info value is one number or an array, which may be empty.

    What a reset reports comes first in a row, and is a part of what a step reports.
    """

    def __init__(self, fields: Sequence[tuple[str, str, int, bool]]) -> None:
        """Take the engine's info_fields: (name, dtype, array size or -1, whether at reset).

        The dtype "action" is that of the actions of a step.
        """
        self._fields: list[_Field] = []
        self._at_reset: list[_Field] = []
        self.size = self._reset_size = 0
        for name, dtype, array_size, at_reset in fields:
            end = self.size + (1 if array_size < 0 else array_size)
            place = self.size if array_size < 0 else slice(self.size, end)
            kind = None if dtype == "action" else np.dtype(dtype)
            self._fields.append(_Field(name, f"_{name}", kind, place))
            self.size = end
            if at_reset:
                self._at_reset.append(self._fields[-1])
                self._reset_size = end

    def of_reset(self, reset_rows: Rows, chosen: Flags) -> Infos:
        """Return the infos of a reset of the chosen simulations [N]."""
        columns = np.zeros((self.size, len(chosen)))
        self._put_reset(columns, reset_rows, chosen)
        masks = np.tile(chosen, (len(self._at_reset), 1))
        return _infos(self._at_reset, columns, masks)

    def of_step(
        self, rows: Rows, reset_rows: Rows, started: Flags | None, precision: np.dtype[Any]
    ) -> Infos:
        """Return the infos of a step in which the flagged simulations [N] began an episode.

        None flags none. The precision is the actions'.
        """
        columns = rows.T.copy()
        masks = np.ones((len(self._fields), len(rows)), bool)
        if started is None:
            return _infos(self._fields, columns, masks, precision)
        columns[:, started] = 0
        self._put_reset(columns, reset_rows, started)
        masks[len(self._at_reset) :, started] = False
        fields = self._at_reset if started.all() else self._fields
        return _infos(fields, columns, masks, precision)

    def of_ends(self, rows: Rows, final_obs: Rows, ended: Flags, precision: np.dtype[Any]) -> Infos:
        """Return final_obs and final_info of the simulations [N] whose episode ended."""
        observations = np.full(len(ended), None, object)
        for sim in np.flatnonzero(ended):
            observations[sim] = final_obs[sim].copy()
        columns = np.zeros((self.size, len(ended)))
        columns[:, ended] = rows[ended].T
        masks = np.tile(ended, (len(self._fields), 1))
        return {
            "final_obs": observations,
            "_final_obs": ended.copy(),
            "final_info": _infos(self._fields, columns, masks, precision),
            "_final_info": ended.copy(),
        }

    def _put_reset(self, columns: Rows, reset_rows: Rows, chosen: Flags) -> None:
        columns[: self._reset_size, chosen] = reset_rows[chosen, : self._reset_size].T


def _infos(
    fields: Sequence[_Field], columns: Rows, masks: Flags, precision: np.dtype[Any] = FLOAT64
) -> Infos:
    infos: Infos = {}
    for row, (name, mask, dtype, place) in enumerate(fields):
        values = columns[place]
        if isinstance(place, slice):
            values = np.ascontiguousarray(values.T)
        kind = precision if dtype is None else dtype
        infos[name] = values if kind == FLOAT64 else values.astype(kind)
        infos[mask] = masks[row]
    return infos
