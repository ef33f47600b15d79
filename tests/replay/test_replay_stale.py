"""Indices that a full buffer gave to other transitions: left out and counted, never written to.

The slow twin of the handle is a list of all transitions ever added: obs, and so the number in it,
is unique.
"""

import numpy as np
import pytest
import torch

from td7.replay import DeviceLapReplay, LapReplay, TensorBatch

KINDS = (LapReplay, DeviceLapReplay)


def add(replay, numbers, *, ends=False, **where):
    """Adds transitions whose reward is their number."""
    for number in numbers:
        obs = np.array([number], np.float32)
        replay.add(obs, obs, float(number), obs + 1, ends, **where)


def array(values):
    return values.numpy() if isinstance(values, torch.Tensor) else values


def errors_for(replay, index, value):
    """TD errors of one value, as the replay wants them."""
    shape = tuple(index.shape)
    if isinstance(replay, DeviceLapReplay):
        return torch.full(shape, value)
    return np.full(shape, value, np.float32)


def numbers_by_slot(replay, member=0, draws=40_000):
    """The number of the transition in each live slot (with certainty for few slots)."""
    batch = replay.sample(draws, members=[member])
    return dict(zip(array(batch.index)[0].tolist(), array(batch.reward)[0].tolist(), strict=True))


def priorities(replay, slots, member=0):
    return {slot: replay.priority(slot, member) for slot in slots}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("ends", [False, True])
@pytest.mark.parametrize("later", [0, 1, 40, 255, 500, 999, 5000])
def test_priorities_of_evicted_transitions_are_left_out_and_counted(kind, ends, later):
    replay = kind(1000, 1, 1)
    add(replay, range(1500), ends=ends)
    batch = replay.sample(256)
    drawn = dict(zip(array(batch.index)[0].tolist(), array(batch.reward)[0].tolist(), strict=True))
    add(replay, range(1500, 1500 + later), ends=ends)
    now = numbers_by_slot(replay)
    gone = [n < 500 + later for n in array(batch.reward)[0]]
    written = {slot for slot, number in drawn.items() if now.get(slot) == number}
    before = priorities(replay, now)
    left_out = replay.update_priorities(
        batch.index, errors_for(replay, batch.index, 32.0), drawn_at=batch.drawn_at
    )
    assert int(left_out) == sum(gone)
    assert {slot for slot, number in drawn.items() if number >= 500 + later} == written
    for slot, priority in priorities(replay, now).items():
        assert priority == (4.0 if slot in written else before[slot]), slot
    assert replay.max_priority() == (4.0 if written else 1.0)
    if kind is DeviceLapReplay:
        replay.raise_if_bad()


@pytest.mark.parametrize("kind", KINDS)
def test_without_the_moment_of_the_draw_the_slot_decides(kind):
    replay = kind(16, 1, 1)
    add(replay, range(16))
    batch = replay.sample(64)
    add(replay, range(16, 500))
    live = np.array([[slot for slot in range(16) if slot in numbers_by_slot(replay)]])
    index = torch.from_numpy(live) if kind is DeviceLapReplay else live
    assert replay.update_priorities(index, errors_for(replay, index, 9.0)) == 0
    assert batch.drawn_at is not None


@pytest.mark.parametrize("kind", KINDS)
def test_an_empty_batch_leaves_nothing_out(kind):
    replay = kind(16, 1, 1)
    add(replay, range(3))
    batch = replay.sample(4)
    index = batch.index[:, :0]
    index = index if kind is DeviceLapReplay else np.ascontiguousarray(index)
    error = errors_for(replay, index, 1.0)
    assert int(replay.update_priorities(index, error, drawn_at=batch.drawn_at)) == 0


@pytest.mark.parametrize("kind", KINDS)
def test_a_load_and_a_clear_make_every_earlier_draw_stale(kind, tmp_path):
    replay = kind(100, 1, 1, seeds=(1, 2))
    for member in range(2):
        add(replay, range(80), member=member)
    before = replay.sample(50)
    error = errors_for(replay, before.index, 32.0)
    replay.save(tmp_path / "saved")
    assert int(replay.update_priorities(before.index, error, drawn_at=before.drawn_at)) == 0
    replay.load(tmp_path / "saved")
    assert int(replay.update_priorities(before.index, error, drawn_at=before.drawn_at)) == 100
    after = replay.sample(50)
    replay.clear([1])
    add(replay, range(80), member=1)
    assert int(replay.update_priorities(after.index, error, drawn_at=after.drawn_at)) == 50
    assert (replay.max_priority(0), replay.max_priority(1)) == (4.0, 1.0)
    assert int(replay.update_priorities(before.index, error, drawn_at=before.drawn_at)) == 100


@pytest.mark.parametrize("kind", KINDS)
def test_a_stale_index_beyond_what_a_clear_left_is_no_error(kind):
    replay = kind(1000, 1, 1)
    add(replay, range(900))
    batch = replay.sample(64)
    replay.clear()
    error = errors_for(replay, batch.index, 1.0)
    assert int(replay.update_priorities(batch.index, error, drawn_at=batch.drawn_at)) == 64
    if kind is DeviceLapReplay:
        replay.raise_if_bad()


def test_a_batch_of_the_callers_memory_says_when_it_was_drawn():
    replay = LapReplay(16, 1, 1)
    add(replay, range(16))
    batch = TensorBatch(1, 8, 1, 1)
    replay.sample(8, out=batch.arrays)
    first = batch.arrays.drawn_at.copy()
    add(replay, range(16, 100))
    replay.sample(8, out=batch.arrays)
    assert batch.arrays.drawn_at > first


def test_a_batch_without_room_for_the_moment_is_filled_without_it():
    replay = LapReplay(16, 1, 1)
    add(replay, range(16))
    out = TensorBatch(1, 8, 1, 1).arrays
    out.drawn_at = None
    assert replay.sample(8, out=out).drawn_at is None


@pytest.mark.parametrize(
    ("error", "change", "message"),
    [
        (ValueError, {"drawn_at": np.zeros(1, np.int32)}, r"drawn_at must be int64 \[1\]"),
        (ValueError, {"drawn_at": np.zeros(2, np.int64)}, r"drawn_at must be int64 \[1\]"),
        (ValueError, {"drawn_at": 1}, r"drawn_at must be int64 \[1\] C-contiguous, got int"),
        (
            ValueError,
            {"drawn_at": np.array([99])},
            r"drawn_at\[0\] must be from 0 to 1, got 99: the batch is from another replay",
        ),
        (ValueError, {"drawn_at": np.array([-1])}, r"drawn_at\[0\] must be from 0 to 1, got -1"),
        (IndexError, {"index": np.array([[-1]])}, r"index\[0, 0\] must be from 0 to 207, got -1"),
        (IndexError, {"index": np.array([[2**40]])}, r"index\[0, 0\] must be from 0 to 207, got"),
        (ValueError, {"td_error": np.full((1, 1), np.nan, np.float32)}, r"td_error\[0, 0\]"),
    ],
)
def test_bad_arguments_of_a_late_update_are_refused_by_name(error, change, message):
    replay = LapReplay(64, 1, 1)
    add(replay, range(5))
    good = {
        "index": np.array([[0]]),
        "td_error": np.ones((1, 1), np.float32),
        "drawn_at": replay.sample(1).drawn_at,
    }
    with pytest.raises(error, match=message):
        replay.update_priorities(**(good | change))
    assert replay.priority(0) == 1.0


def test_a_device_marks_indices_that_no_slot_has_and_refuses_other_moments():
    replay = DeviceLapReplay(64, 1, 1)
    add(replay, range(5))
    batch = replay.sample(2)
    index = torch.tensor([[0, -1]])
    assert int(replay.update_priorities(index, torch.ones(1, 2), drawn_at=batch.drawn_at)) == 0
    with pytest.raises(ValueError, match="an index held no transition"):
        replay.raise_if_bad()
    with pytest.raises(ValueError, match=r"drawn_at must be int64 \[1\] on cpu, got ndarray"):
        replay.update_priorities(index, torch.ones(1, 2), drawn_at=np.zeros(1, np.int64))


def test_members_that_do_not_take_part_are_not_counted_as_stale():
    replay = DeviceLapReplay(16, 1, 1, seeds=(1, 2))
    for member in range(2):
        add(replay, range(16), member=member)
    batch = replay.sample(10)
    for member in range(2):
        add(replay, range(16, 200), member=member)
    left_out = replay.update_priorities(
        batch.index,
        torch.full((2, 10), 9.0),
        where=torch.tensor([True, False]),
        drawn_at=batch.drawn_at,
    )
    assert int(left_out) == 10
