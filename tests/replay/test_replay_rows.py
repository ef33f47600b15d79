"""One `add` for the rows of many environments is as many adds, one for each stream."""

import numpy as np
import pytest

from td7.replay import DeviceLapReplay, LapReplay

S, A, N = 3, 2, 4
KINDS = (LapReplay, DeviceLapReplay)


def rows(rng, n=N):
    """Random transitions of n streams."""
    return {
        "obs": rng.standard_normal((n, S)).astype(np.float32),
        "action": rng.standard_normal((n, A)).astype(np.float32),
        "reward": rng.standard_normal(n).astype(np.float32),
        "next_obs": rng.standard_normal((n, S)).astype(np.float32),
        "terminated": rng.random(n) < 0.1,
        "truncated": rng.random(n) < 0.1,
    }


def add_one_by_one(replay, block, *, stream=0, **where):
    for i in range(len(block["reward"])):
        one = {name: values[i] for name, values in block.items()}
        replay.add(**one, stream=stream + i, **where)


def saved(replay, path):
    replay.save(path)
    return path.read_bytes()


@pytest.mark.parametrize("kind", KINDS)
def test_rows_leave_the_bytes_that_single_adds_leave_while_nothing_is_evicted(kind, tmp_path):
    rng = np.random.default_rng(0)
    together, alone = (kind(4000, S, A, streams=N, seeds=(1, 2)) for _ in range(2))
    block = rows(rng)
    for step in range(400):
        together.add(**block, member=step % 2)
        add_one_by_one(alone, block, member=step % 2)
        following = rows(rng)
        if step % 3:  # most episodes continue in place
            following["obs"] = block["next_obs"].copy()
        block = following
    assert len(together) == 1600
    assert saved(together, tmp_path / "together") == saved(alone, tmp_path / "alone")


@pytest.mark.parametrize("capacity", [4, 5, 16, 70, 300])
def test_host_and_device_keep_the_same_rows_in_a_full_buffer(capacity, tmp_path):
    rng = np.random.default_rng(capacity)
    host, device = (kind(capacity, S, A, streams=N) for kind in KINDS)
    for _ in range(3 * capacity):
        first = int(rng.integers(N))
        block = rows(rng, int(rng.integers(1, N - first + 1)))
        for replay in (host, device):
            replay.add(**block, stream=first)
    assert len(host) == capacity
    assert saved(host, tmp_path / "host") == saved(device, tmp_path / "device")
    drawn = {row.tobytes() for row in host.sample(4096).obs[0]}
    assert {row.tobytes() for row in block["obs"]} <= drawn  # all rows of a call can be drawn


def test_rows_in_a_file_are_those_in_memory(tmp_path):
    rng = np.random.default_rng(0)
    memory = LapReplay(200, S, A, streams=N)
    file = LapReplay(200, S, A, streams=N, scratch_dir=tmp_path)
    for _ in range(300):
        block = rows(rng)
        memory.add(**block)
        file.add(**block)
    assert saved(memory, tmp_path / "memory") == saved(file, tmp_path / "file")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("flag", [True, 1, np.bool_(True), np.float32(1), np.array(True)])
def test_one_flag_stands_for_all_rows(kind, flag):
    replay = kind(100, S, A, streams=N)
    block = rows(np.random.default_rng(0)) | {"terminated": flag}
    del block["truncated"]
    replay.add(**block)
    assert np.all(np.asarray(replay.sample(32).not_terminated) == 0)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"obs": np.zeros((N, S))}, r"obs must be float32 \[N, 3\] C-contiguous, got float64 \[4"),
        (
            {"obs": np.zeros((N, S + 1), "f4")},
            r"obs must be float32 \[N, 3\] .* got float32 \[4, 4",
        ),
        ({"action": np.zeros(A, "f4")}, r"action must be float32 \[4, 2\] .* got float32 \[2\]"),
        ({"action": np.zeros((3, A), "f4")}, r"action must be float32 \[4, 2\] .* \[3, 2\]"),
        ({"reward": 0.0}, r"reward must be float32 \[4\] C-contiguous, got float"),
        ({"reward": np.zeros(N)}, r"reward must be float32 \[4\] C-contiguous, got float64 \[4\]"),
        ({"next_obs": np.zeros((5, S), "f4")}, r"next_obs must be float32 \[4, 3\] .* \[5, 3\]"),
        ({"terminated": [False] * N}, r"terminated must be bool \[4\] C-contiguous, got list"),
        ({"terminated": np.zeros(N, "u1")}, r"terminated must be bool \[4\] .* got uint8 \[4\]"),
        ({"truncated": np.zeros(3, bool)}, r"truncated must be bool \[4\] .* got bool \[3\]"),
        ({"terminated": 2}, "terminated must be a bool, or 0 or 1, got 2"),
        (
            {"obs": np.array([[0] * S] * 3 + [[0, 0, np.nan]], "f4")},
            r"obs\[3, 2\] must be finite, got -?nan",
        ),
        ({"reward": np.array([0, 0, np.inf, 0], "f4")}, r"reward\[2\] must be finite, got inf"),
        (
            rows(np.random.default_rng(0), 6),
            "obs must have at most 4 rows, one for each stream from stream 0 on, got 6: make the "
            "replay with streams = 6",
        ),
        ({"stream": 1}, "obs must have at most 3 rows, one for each stream from stream 1 on"),
        (rows(np.random.default_rng(0), 0), "must have at least one step"),
    ],
)
def test_bad_rows_are_refused_by_name_and_none_is_added(kind, change, message):
    replay = kind(100, S, A, streams=N)
    with pytest.raises(ValueError, match=message):
        replay.add(**(rows(np.random.default_rng(0)) | change))
    assert len(replay) == 0


@pytest.mark.parametrize("kind", KINDS)
def test_more_rows_than_the_capacity_are_refused(kind):
    replay = kind(3, S, A, streams=N)
    with pytest.raises(ValueError, match="4 steps is longer than the capacity of 3"):
        replay.add(**rows(np.random.default_rng(0)))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("stream", [-1, N])
def test_a_first_stream_out_of_range_is_an_index_error(kind, stream):
    replay = kind(100, S, A, streams=N)
    with pytest.raises(IndexError, match=f"stream must be from 0 to 3, got {stream}"):
        replay.add(**rows(np.random.default_rng(0), 1), stream=stream)
