"""Seeds, counters and flags: a number is what it should be, or it is refused by name."""

import numpy as np
import pytest
import torch

from td7 import draws
from td7.replay import DeviceLapReplay, LapReplay, TensorBatch

S, A = 3, 2
OBS, ACTION = np.zeros(S, np.float32), np.zeros(A, np.float32)
ONE_STEP = (np.zeros((2, S), np.float32), ACTION[None], np.zeros(1, np.float32))


@pytest.mark.parametrize("draw", [draws.uniform, draws.normal])
@pytest.mark.parametrize(
    ("seeds", "counters", "error", "message"),
    [
        ((0, 1.9), (0, 0), TypeError, r"seeds\[1\] must be an integer, got 1.9"),
        ((-1,), (0,), ValueError, r"seeds\[0\] must be from 0 to 2\^64 - 1, got -1"),
        ((2**64,), (0,), ValueError, r"seeds\[0\] must be from 0 to 2\^64 - 1, got 184467"),
        ((0, 0), (0, 1.9), TypeError, r"counters\[1\] must be an integer, got 1.9"),
        ((0,), (-1,), ValueError, r"counters\[0\] must be from 0 to 2\^63 - 1, got -1"),
        ((0,), (2**63,), ValueError, r"counters\[0\] must be from 0 to 2\^63 - 1, got 92233"),
    ],
)
def test_bad_seeds_and_counters_of_a_draw(draw, seeds, counters, error, message):
    with pytest.raises(error, match=message):
        draw(seeds, "noise", counters, 3)


def test_numpys_integers_are_seeds_and_counters():
    numbers = draws.uniform((np.uint64(2**64 - 1),), "noise", np.array([7]), 3)
    np.testing.assert_array_equal(numbers, draws.uniform((2**64 - 1,), "noise", (7,), 3))


def test_a_seed_that_is_no_integer_is_refused():
    with pytest.raises(TypeError, match=r"seeds\[0\] must be an integer, got 1.9"):
        LapReplay(8, S, A, seeds=(1.9,))


def test_a_draw_counter_must_be_a_natural_number():
    replay = LapReplay(8, S, A)
    with pytest.raises(ValueError, match=r"value must be from 0 to 2\^64 - 1, got -1"):
        replay.set_draw_counter(-1)
    with pytest.raises(TypeError, match=r"value must be an integer, got 1\.9"):
        replay.set_draw_counter(1.9)


KINDS = (LapReplay, DeviceLapReplay)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("flag", [None, "no", [True], np.ones(1, bool), np.array("1"), 1j])
def test_a_flag_that_is_no_number_is_refused(kind, flag):
    replay = kind(8, S, A)
    given = "must be a bool, or 0 or 1, got "
    given += "" if isinstance(flag, np.ndarray) else type(flag).__name__
    for name, flags in (("terminated", (flag, False)), ("truncated", (False, flag))):
        with pytest.raises(TypeError, match=f"{name} {given}"):
            replay.add(OBS, ACTION, 0.0, OBS, *flags)
    with pytest.raises(TypeError, match=f"terminated {given}"):
        replay.add_episode(*ONE_STEP, flag)
    assert len(replay) == 0


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("flag", [2, -1, 0.5, float("nan"), np.float32(1.5), np.array(3)])
def test_a_number_other_than_0_or_1_is_no_flag(kind, flag):
    replay = kind(8, S, A)
    given = rf"must be a bool, or 0 or 1, got {flag}"
    for name, flags in (("terminated", (flag, False)), ("truncated", (False, flag))):
        with pytest.raises(ValueError, match=f"{name} {given}"):
            replay.add(OBS, ACTION, 0.0, OBS, *flags)
    with pytest.raises(ValueError, match=f"terminated {given}"):
        replay.add_episode(*ONE_STEP, flag)
    assert len(replay) == 0


def forms(value):
    """A number as Python, numpy and torch have it."""
    return (
        bool(value),
        int(value),
        float(value),
        np.bool_(value),
        np.uint8(value),
        np.float32(value),
        np.array(value, bool),
        np.array(value, np.float64),
        torch.tensor(value, dtype=torch.bool),
        torch.tensor(value, dtype=torch.float32),
    )


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("value", [0, 1])
@pytest.mark.parametrize("form", range(len(forms(0))))
def test_a_flag_may_be_0_or_1(kind, value, form):
    flag = forms(value)[form]
    replay = kind(8, S, A)
    replay.add(OBS, ACTION, 0.0, OBS, flag)
    replay.add_episode(*ONE_STEP, flag)
    assert np.all(np.asarray(replay.sample(16).not_terminated) == 1 - value)
    # the open episode of a false flag continues in place, that of a true one does not
    single = kind(8, S, A)
    for _ in range(2):
        single.add(OBS, ACTION, 0.0, OBS, False, flag)
    assert set(np.unique(np.asarray(single.sample(64).index))) == {0, 1 + value}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "reward",
    [None, "1", np.zeros(1, np.float32), [0.0], np.array("1"), np.array(1j), np.array(None)],
)
def test_a_reward_that_is_no_number_is_refused(kind, reward):
    replay = kind(8, S, A)
    with pytest.raises(TypeError, match="reward must be a number, got "):
        replay.add(OBS, ACTION, reward, OBS, False)
    assert len(replay) == 0


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "reward", [2, 2.0, np.int64(2), np.float32(2), np.array(2.0), np.array(2), torch.tensor(2.0)]
)
def test_a_reward_may_be_any_number_also_an_array_without_dimensions(kind, reward):
    replay = kind(8, S, A)
    replay.add(OBS, ACTION, reward, OBS, False)
    assert np.all(np.asarray(replay.sample(4).reward) == 2)


@pytest.mark.parametrize("name", ["capacity", "obs_size", "action_size", "streams"])
@pytest.mark.parametrize("value", [1e6, (84, 84), None])
def test_a_size_that_is_no_integer_is_refused_by_name(name, value):
    sizes = {"capacity": 8, "obs_size": S, "action_size": A} | {name: value}
    for kind in (LapReplay, DeviceLapReplay):
        with pytest.raises(TypeError, match=f"{name} must be an integer, got "):
            kind(**sizes)


def test_seeds_may_come_from_a_generator():
    for kind in (LapReplay, DeviceLapReplay):
        replay = kind(8, S, A, seeds=(seed for seed in range(3)))
        assert (replay.members, replay.seeds) == (3, (0, 1, 2))


def test_an_out_that_is_no_batch_is_refused():
    replay = LapReplay(8, S, A)
    replay.add(OBS, ACTION, 0.0, OBS, True)
    with pytest.raises(TypeError, match=r"a Batch, such as TensorBatch\.arrays, got TensorBatch"):
        replay.sample(2, out=TensorBatch(1, 2, S, A))


@pytest.mark.parametrize("batch_size", [-1, 0, 2**28 + 1])
def test_a_batch_size_out_of_range_is_refused_before_memory_is_asked_for(batch_size):
    replay = LapReplay(8, S, A)
    replay.add(OBS, ACTION, 0.0, OBS, True)
    with pytest.raises(
        ValueError, match=f"batch_size must be from 1 to 268435456, got {batch_size}"
    ):
        replay.sample(batch_size)


def test_numpys_bool_is_a_flag():
    replay = LapReplay(8, S, A)
    replay.add(OBS, ACTION, 0.0, OBS, np.bool_(True), np.bool_(False))
    replay.add_episode(*ONE_STEP, np.bool_(True))
    assert np.all(replay.sample(8).not_terminated == 0)
