"""Checks of what was read from JSON: small ones, put together as the content is.

A check takes a value and the place where it stands, and raises ValueError unless it is as wanted:
`members[0].debt must be an integer from 0 to 120, got -3`.
"""

from __future__ import annotations

import math
import re
import reprlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

Check = Callable[[Any, str], None]

FLOAT32_MAX = 3.4028234663852886e38


@contextmanager
def naming(path: Path) -> Iterator[None]:
    """Put a file's path before the text of a ValueError."""
    try:
        yield
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error


def refuse(where: str, wanted: str, value: Any) -> None:
    """Raise the ValueError of a check; the value is shown as far as fits a line."""
    raise ValueError(f"{where} must be {wanted}, got {reprlib.repr(value)}")


def integer(low: int, high: int) -> Check:
    """Want an integer, no bool, in [low, high]."""

    def check(value: Any, where: str) -> None:
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
            refuse(where, f"an integer from {low} to {high}", value)

    return check


def number(low: float = -FLOAT32_MAX, high: float = FLOAT32_MAX) -> Check:
    """Want a number, no bool, in [low, high]; never NaN or infinite."""

    def check(value: Any, where: str) -> None:
        fits = isinstance(value, (int, float)) and not isinstance(value, bool)
        if not (fits and low <= value <= high and -math.inf < value < math.inf):
            refuse(where, f"a number from {low:g} to {high:g}", value)

    return check


def flag(value: Any, where: str) -> None:
    """Want true or false."""
    if not isinstance(value, bool):
        refuse(where, "true or false", value)


def exactly(*wanted: Any) -> Check:
    """Want one of these values; a bool is no number here."""
    text = " or ".join(repr(value) for value in wanted)

    def check(value: Any, where: str) -> None:
        if not any(type(value) is type(each) and value == each for each in wanted):
            refuse(where, text, value)

    return check


def text(pattern: str, wanted: str) -> Check:
    """Want a text that the whole pattern matches; `wanted` says it in words."""

    def check(value: Any, where: str) -> None:
        if not isinstance(value, str) or not re.fullmatch(pattern, value):
            refuse(where, wanted, value)

    return check


def either(first: Check, second: Check) -> Check:
    """Want what one of two checks wants."""

    def check(value: Any, where: str) -> None:
        try:
            first(value, where)
        except ValueError:
            second(value, where)

    return check


def items(check: Check, least: int, most: int) -> Check:
    """Want a list of so many values that all pass the check."""
    count = f"{least}" if least == most else f"{least} to {most}"

    def check_all(value: Any, where: str) -> None:
        if not isinstance(value, list) or not least <= len(value) <= most:
            refuse(where, f"a list of {count}", value)
        for place, item in enumerate(value):
            check(item, f"{where}[{place}]")

    return check_all


def record(fields: Mapping[str, Check], *, optional: bool = False) -> Check:
    """Want an object of these fields; where they are optional there may be others too."""

    def check(value: Any, where: str) -> None:
        if not isinstance(value, dict):
            refuse(where or "it", "an object", value)
        prefix = f"{where}." if where else ""
        if not optional and (odd := sorted(fields.keys() ^ value.keys())):
            known = odd[0] in fields
            raise ValueError(f"{prefix}{odd[0]:.60} {'is missing' if known else 'is unknown'}")
        for name, field in fields.items():
            if name in value:
                field(value[name], prefix + name)

    return check


def mapping(pattern: str, check: Check, most: int) -> Check:
    """Want an object whose names the pattern matches and whose values pass the check."""

    def check_all(value: Any, where: str) -> None:
        if not isinstance(value, dict) or len(value) > most:
            refuse(where, f"an object of at most {most} fields", value)
        for name, each in value.items():
            if not re.fullmatch(pattern, name):
                refuse(f"a name in {where}", f"like {pattern}", name)
            check(each, f"{where}.{name}")

    return check_all
