"""The burst schedule pays every debt exactly, with members of a step in one phase."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from td7.updates.schedule import burst_schedule


@given(
    st.lists(st.tuples(st.integers(0, 2000), st.integers(0, 300)), min_size=1, max_size=6),
    st.integers(1, 4),
)
def test_every_debt_is_paid_exactly_and_members_of_a_step_share_their_phase(members, period):
    updates, debts = (list(column) for column in zip(*members, strict=True))
    done = [0] * len(updates)
    for chosen, count in burst_schedule(updates, debts, period):
        assert count >= 1
        assert len(set(chosen)) == len(chosen) > 0
        assert len({(updates[m] + done[m]) % period for m in chosen}) == 1
        for member in chosen:
            done[member] += count
    assert done == debts


@pytest.mark.parametrize(
    ("updates", "debts", "wanted"),
    [
        ([0, 0], [4, 4], [((0, 1), 4)]),
        ([0, 0], [4, 8], [((0, 1), 4), ((1,), 4)]),
        ([1, 0], [4, 4], [((0,), 1), ((0, 1), 2), ((1,), 2), ((0,), 1)]),
        ([3, 3], [1, 1], [((0, 1), 1)]),
        ([0, 0], [0, 0], []),
    ],
)
def test_members_train_together_as_far_as_they_can(updates, debts, wanted):
    assert list(burst_schedule(updates, debts, 2)) == wanted
