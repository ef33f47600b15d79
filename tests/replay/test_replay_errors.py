"""Bad input is refused by name, with what was wanted and given, and the replay stays as it was."""

import numpy as np
import pytest

from td7.replay import Batch, LapReplay

S, A = 3, 2
OBS, ACTION = np.zeros(S, np.float32), np.zeros(A, np.float32)


@pytest.fixture
def replay():
    """Two members with 5 transitions each, in slots 0 to 4; slot 5 holds an observation only."""
    replay = LapReplay(8, S, A, seeds=(1, 2), streams=2)
    for member in range(2):
        for _ in range(5):
            replay.add(OBS, ACTION, 1.0, OBS, terminated=False, member=member)
    yield replay
    fresh = LapReplay(8, S, A, seeds=(1, 2), streams=2)
    for member in range(2):
        for _ in range(5):
            fresh.add(OBS, ACTION, 1.0, OBS, terminated=False, member=member)
        assert replay.size(member) == 5
        assert replay.max_priority(member) == 1.0
        assert replay.draw_counter(member) == 0
        assert [replay.priority(i, member) for i in range(5)] == [1.0] * 5
    # draws continue as if nothing had happened
    np.testing.assert_array_equal(replay.sample(64).index, fresh.sample(64).index)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"capacity": 0}, "capacity must be from 1 to 2147483648, got 0"),
        ({"capacity": -5}, "capacity must be from 1 to 2147483648, got -5"),
        ({"capacity": 2**31}, r"capacity = 2147483648 with streams = 1 needs \d+ slots, more than"),
        ({"obs_size": 0}, "obs_size must be from 1 to 1048576, got 0"),
        ({"action_size": -1}, "action_size must be from 1 to 1048576, got -1"),
        ({"streams": 0}, "streams must be from 1 to 1048576, got 0"),
        ({"alpha": -0.1}, r"alpha must be in \[0, 1\], got -0.1"),
        ({"alpha": float("nan")}, r"alpha must be in \[0, 1\], got -?nan"),
        ({"alpha": 1 + 1e-12}, r"alpha must be in \[0, 1\], got 1\.000000000001$"),
        ({"min_priority": 0.0}, "min_priority must be positive .* got 0"),
        ({"min_priority": 2.0**-1030, "alpha": 0.01}, "min_priority must be positive .* got 8.69"),
        ({"min_priority": float("inf")}, "min_priority must be positive .* got inf"),
        ({"min_priority": 1e-40, "alpha": 1.0}, "min_priority must be positive .* got 1e-40"),
        ({"seeds": ()}, "seeds must have at least one entry"),
        ({"seeds": (0, -1)}, r"seeds\[1\] must be from 0 to 2\^64 - 1, got -1"),
        ({"seeds": (2**64,)}, r"seeds\[0\] must be from 0 to 2\^64 - 1, got 18446744073709551616"),
    ],
)
def test_bad_arguments_of_the_replay(changes, message):
    with pytest.raises(ValueError, match=message):
        LapReplay(**({"capacity": 8, "obs_size": S, "action_size": A} | changes))


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        (
            "obs",
            OBS.astype(np.float64),
            r"obs must be float32 \[3\] C-contiguous, got float64 \[3\]",
        ),
        ("obs", [0.0] * S, r"obs must be float32 \[3\] C-contiguous, got list"),
        ("obs", OBS[:2], r"obs must be float32 \[3\] C-contiguous, got float32 \[2\]"),
        ("obs", OBS[None, None], r"obs must be float32 \[3\] .* got float32 \[1, 1, 3\]"),
        ("obs", OBS[None], r"action must be float32 \[1, 2\] C-contiguous, got float32 \[2\]"),
        ("action", ACTION[None], r"action must be float32 \[2\] .* got float32 \[1, 2\]"),
        ("obs", OBS.astype(">f4"), r"obs must be float32 \[3\] C-contiguous, got >f4 \[3\]"),
        ("next_obs", np.zeros(6, np.float32)[::2], r"next_obs .* got float32 \[3\] not contiguous"),
        (
            "next_obs",
            np.zeros(13, np.uint8)[1:].view(np.float32),
            r"next_obs .* got float32 \[3\] not aligned",
        ),
        ("action", np.zeros(A, np.int32), r"action must be float32 \[2\] .* got int32 \[2\]"),
        ("obs", np.array([0, 0, np.nan], np.float32), r"obs\[2\] must be finite, got -?nan"),
        ("action", np.array([0, -np.inf], np.float32), r"action\[1\] must be finite, got -inf"),
        (
            "next_obs",
            np.array([np.inf, 0, 0], np.float32),
            r"next_obs\[0\] must be finite, got inf",
        ),
        ("reward", float("nan"), "reward must be finite, got -?nan"),
        ("reward", 1e39, "reward must be finite, got inf"),
    ],
)
def test_bad_transitions(replay, name, value, message):
    row = {"obs": OBS, "action": ACTION, "reward": 0.0, "next_obs": OBS, "terminated": False}
    with pytest.raises(ValueError, match=message):
        replay.add(**(row | {name: value}))


@pytest.mark.parametrize("call", ["add", "end_episode", "add_episode"])
@pytest.mark.parametrize(
    ("where", "message"),
    [
        ({"stream": 2}, "stream must be from 0 to 1, got 2"),
        ({"stream": -1}, "stream must be from 0 to 1, got -1"),
        ({"member": 2}, "member must be from 0 to 1, got 2"),
        ({"member": -1}, "member must be from 0 to 1, got -1"),
    ],
)
def test_a_member_or_stream_out_of_range(replay, call, where, message):
    one = np.zeros((1, A), np.float32)
    arguments = {
        "add": (OBS, ACTION, 0.0, OBS, False),
        "end_episode": (),
        "add_episode": (np.zeros((2, S), np.float32), one, one[0, :1], False),
    }
    with pytest.raises(IndexError, match=message):
        getattr(replay, call)(*arguments[call], **where)


def episode(steps, **changes):
    arrays = {
        "obs": np.zeros((steps + 1, S), np.float32),
        "action": np.zeros((steps, A), np.float32),
        "reward": np.zeros(steps, np.float32),
        "terminated": False,
    }
    return arrays | changes


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (episode(9), "an episode of 9 steps is longer than the capacity of 8"),
        (episode(0), "an episode must have at least one step"),
        (
            episode(4, obs=np.zeros((4, S), np.float32)),
            r"obs must be float32 \[5, 3\] C-contiguous, got float32 \[4, 3\]",
        ),
        (
            episode(4, action=np.zeros((A, 4), np.float32).T),
            r"action must be float32 \[4, 2\] C-contiguous, got float32 \[4, 2\] not contiguous",
        ),
        (episode(4, reward=np.zeros(4)), r"reward must be float32 \[T\] .* got float64 \[4\]"),
        (
            episode(1, obs=np.array([[0, 0, 0], [0, np.nan, 0]], np.float32)),
            r"obs\[1, 1\] must be finite, got -?nan",
        ),
        (
            episode(2, reward=np.array([0, np.inf], np.float32)),
            r"reward\[1\] must be finite, got inf",
        ),
    ],
)
def test_bad_episodes(replay, arguments, message):
    with pytest.raises(ValueError, match=message):
        replay.add_episode(**arguments)


def output(**changes):
    out = Batch.empty(2, 4, S, A, probability=True)
    for name, value in changes.items():
        setattr(out, name, value)
    return out


def read_only(shape, dtype=np.float32):
    array = np.empty(shape, dtype)
    array.flags.writeable = False
    return array


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"batch_size": 0}, "batch_size must be from 1 to 268435456, got 0"),
        ({"members": [0, 0]}, "members must be distinct, got 0 twice"),
        (
            {"members": np.array([0, 1], np.int32)},
            r"members must be int64 \[M\] C-contiguous, got int32 \[2\]",
        ),
        (
            {"out": output(obs=np.empty((2, 4, S)))},
            r"obs must be float32 \[2, 4, 3\] C-contiguous, got float64 \[2, 4, 3\]",
        ),
        (
            {"out": output(next_obs=np.empty((2, 4, S + 1), np.float32)[:, :, 1:])},
            r"next_obs must be float32 \[2, 4, 3\] .* \[2, 4, 3\] not contiguous",
        ),
        (
            {"out": output(reward=read_only((2, 4)))},
            r"reward must be writeable, got read-only float32 \[2, 4\]",
        ),
        (
            {"out": output(probability=np.empty((2, 4), np.float32))},
            r"probability must be float64 \[2, 4\] C-contiguous, got float32 \[2, 4\]",
        ),
        ({"out": Batch.empty(1, 4, S, A)}, r"index must be int64 \[2, B\] .* got int64 \[1, 4\]"),
        ({"out": Batch.empty(2, 5, S, A)}, r"out.index must have 4 columns, got \[2, 5\]"),
        (
            {"out": output(probability=None), "probability": True},
            "out.probability must be an array float64",
        ),
    ],
)
def test_bad_arguments_of_sample(replay, arguments, message):
    with pytest.raises(ValueError, match=message):
        replay.sample(**({"batch_size": 4} | arguments))


def test_a_member_out_of_range_in_a_call_for_several(replay):
    with pytest.raises(IndexError, match="members must be from 0 to 1, got 2"):
        replay.sample(4, members=[0, 2])
    with pytest.raises(IndexError, match="members must be from 0 to 1, got -1"):
        replay.reset_max_priority([0, -1])


def test_an_empty_member_refuses_the_call_for_all():
    replay = LapReplay(8, S, A, seeds=(1, 2))
    replay.add(OBS, ACTION, 0.0, OBS, terminated=False)
    with pytest.raises(ValueError, match="cannot sample: the buffer holds no transition"):
        replay.sample(4)
    assert replay.draw_counter(0) == 0


def update_of(index=(0, 1, 2, 3), error=(7.0, 7.0, 7.0, 7.0)):
    """Good arguments for member 0 and the given ones for member 1."""
    indices = np.array([[0, 1, 2, 3], index], np.int64)
    return indices, np.array([[5.0] * 4, error], np.float32)


@pytest.mark.parametrize(
    ("error", "index", "message"),
    [
        (IndexError, (0, 1, 2, 5), r"index\[1, 3\] = 5 is out of range: 5 slots are in use"),
        (IndexError, (0, -1, 2, 3), r"index\[1, 1\] = -1 is out of range: 5 slots are in use"),
        (IndexError, (2**62, 1, 2, 3), r"index\[1, 0\] = 4611686018427387904 is out of range"),
    ],
)
def test_bad_indices_of_an_update_change_no_member(replay, error, index, message):
    with pytest.raises(error, match=message):
        replay.update_priorities(*update_of(index=index))


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (np.nan, r"td_error\[1, 2\] = -?nan must be finite and not negative"),
        (np.inf, r"td_error\[1, 2\] = inf must be finite and not negative"),
        (-np.inf, r"td_error\[1, 2\] = -inf must be finite and not negative"),
        (-1e-30, r"td_error\[1, 2\] = -1e-30 must be finite and not negative"),
    ],
)
def test_bad_errors_of_an_update_change_no_member(replay, value, message):
    with pytest.raises(ValueError, match=message):
        replay.update_priorities(*update_of(error=(7.0, 7.0, value, 7.0)))


def test_an_error_whose_priority_overflows_the_tree_is_refused():
    replay = LapReplay(8, S, A, alpha=1.0)
    replay.add(OBS, ACTION, 0.0, OBS, terminated=False)
    with pytest.raises(ValueError, match=r"td_error\[0, 0\] = 1e\+30 is too large"):
        replay.update_priorities(np.array([[0]]), np.array([[1e30]], np.float32))
    assert replay.priority(0) == 1.0


@pytest.mark.parametrize(
    ("index", "error", "message"),
    [
        (np.zeros((2, 4), np.int32), np.zeros((2, 4), np.float32), r"index must be int64 \[2, B\]"),
        (np.zeros(4, np.int64), np.zeros((2, 4), np.float32), r"index .* got int64 \[4\]"),
        (np.zeros((2, 4), np.int64), np.zeros((2, 4)), r"td_error must be float32 \[2, 4\]"),
        (np.zeros((2, 4), np.int64), np.zeros((2, 3), np.float32), r"td_error .* \[2, 3\]"),
        (
            np.zeros((2, 4), np.int64),
            np.zeros((4, 2), np.float32).T,
            r"td_error .* got float32 \[2, 4\] not contiguous",
        ),
    ],
)
def test_bad_arrays_of_an_update(replay, index, error, message):
    with pytest.raises(ValueError, match=message):
        replay.update_priorities(index, error)


def test_an_evicted_or_terminal_slot_holds_no_transition():
    replay = LapReplay(2, S, A)
    for _ in range(2):  # slots 0 and 2; 1 and 3 hold the terminal observations
        replay.add(OBS, ACTION, 0.0, OBS, terminated=True)
    for slot, message in ((1, "holds no transition"), (3, "is out of range: 3 slots are in use")):
        with pytest.raises(IndexError, match=f"index = {slot} {message}"):
            replay.priority(slot)
    replay.add(OBS, ACTION, 0.0, OBS, terminated=True)
    with pytest.raises(IndexError, match=r"index\[0, 0\] = 0 holds no transition"):
        replay.update_priorities(np.array([[0]]), np.array([[1.0]], np.float32))
    with pytest.raises(IndexError, match="index = 0 holds no transition"):
        replay.path_probability(0)
