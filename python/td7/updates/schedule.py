"""How a burst's updates are dealt out among members that owe different numbers of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence


def burst_schedule(
    updates: Sequence[int], debts: Sequence[int], period: int
) -> Iterator[tuple[tuple[int, ...], int]]:
    """Yield (members, count): these members make `count` updates together.

    updates [P] are the counts so far, debts [P] what each owes. Members that train together are
    always in the same phase of `period` (the policy period), so that their actor updates coincide:
    first single updates bring every member to a multiple of it, then whole periods, then the rest.
    """
    done, left = list(updates), list(debts)

    def advance(members: list[int], count: int) -> tuple[tuple[int, ...], int]:
        for member in members:
            done[member] += count
            left[member] -= count
        return tuple(members), count

    everyone = range(len(done))
    for phase in range(1, period):
        if not any(left[m] > 0 and done[m] % period for m in everyone):
            break
        if late := [m for m in everyone if left[m] > 0 and done[m] % period == phase]:
            yield advance(late, 1)
    while together := [m for m in everyone if left[m] >= period]:
        shortest = min(left[m] for m in together)
        yield advance(together, shortest - shortest % period)
    for _ in range(1, period):
        if rest := [m for m in everyone if left[m] > 0]:
            yield advance(rest, 1)
        else:
            break
