"""Blocks of transitions, and rows in a scratch file: the same replay by other ways."""

import dataclasses
import re
import subprocess
import sys
import textwrap

import numpy as np
import pytest

from td7.replay import LapReplay, TensorBatch

S, A = 3, 2


def block(n, seed=0, *, ordered=True):
    """Transitions of episodes of 1 to 40 steps, as columns, in order or shuffled."""
    rng = np.random.default_rng(seed)
    obs, action = (rng.standard_normal((n, size)).astype(np.float32) for size in (S, A))
    terminated, truncated = (rng.random(n) < 0.03 for _ in range(2))
    next_obs = np.roll(obs, -1, 0)
    next_obs[terminated | truncated] = 7
    columns = [obs, action, np.arange(n, dtype=np.float32), next_obs, terminated, truncated]
    order = np.arange(n) if ordered else rng.permutation(n)
    return [np.ascontiguousarray(column[order]) for column in columns]


def add_in_turn(replay, columns):
    for obs, action, reward, next_obs, *ends in zip(*columns, strict=True):
        replay.add(obs, action, float(reward), next_obs, *(bool(end) for end in ends))


@pytest.mark.parametrize("ordered", [True, False])
def test_a_block_leaves_the_bytes_that_steps_in_turn_leave(tmp_path, ordered):
    columns = block(3000, ordered=ordered)
    turn, whole, pieces = (LapReplay(5000, S, A) for _ in range(3))
    add_in_turn(turn, columns)
    whole.add_transitions(*columns)
    for part in np.array_split(np.arange(3000), 17):
        pieces.add_transitions(*(column[part] for column in columns))
    for name, replay in {"turn": turn, "whole": whole, "pieces": pieces}.items():
        replay.save(tmp_path / name)
    assert (tmp_path / "whole").read_bytes() == (tmp_path / "turn").read_bytes()
    assert (tmp_path / "pieces").read_bytes() == (tmp_path / "turn").read_bytes()


def test_a_block_of_the_whole_capacity_replaces_everything():
    replay = LapReplay(500, S, A)
    for seed in range(4):
        columns = block(500, seed, ordered=seed % 2 == 0)
        columns[2] += 1000 * seed
        replay.add_transitions(*columns)
    drawn = replay.sample(20_000)
    assert np.unique(drawn.reward).tolist() == list(range(3000, 3500))
    places = np.searchsorted(columns[2], drawn.reward[0], sorter=np.argsort(columns[2]))
    places = np.argsort(columns[2])[places]
    np.testing.assert_array_equal(drawn.obs[0], columns[0][places])
    np.testing.assert_array_equal(drawn.next_obs[0], columns[3][places])
    np.testing.assert_array_equal(drawn.not_terminated[0], ~columns[4][places])


@pytest.mark.parametrize(
    ("column", "value", "text"),
    [
        (0, np.nan, "obs[41, 0] must be finite, got nan"),
        (1, np.inf, "action[41, 0] must be finite, got inf"),
        (2, -np.inf, "reward[41] must be finite, got -inf"),
        (3, np.nan, "next_obs[41, 0] must be finite, got nan"),
    ],
)
def test_a_block_with_one_bad_number_adds_nothing(column, value, text):
    replay, columns = LapReplay(100, S, A), block(60)
    columns[column][41, ...] = value
    with pytest.raises(ValueError, match=re.escape(text)):
        replay.add_transitions(*columns)
    assert replay.size() == 0


@pytest.mark.parametrize(
    ("column", "bad", "text"),
    [
        (0, np.zeros((60, S)), "obs must be float32 [60, 3] C-contiguous, got float64 [60, 3]"),
        (
            2,
            np.zeros((60, 1), "f4"),
            "reward must be float32 [N] C-contiguous, got float32 [60, 1]",
        ),
        (3, np.zeros((59, S), "f4"), "next_obs must be float32 [60, 3] C-contiguous, got float32"),
        (4, np.zeros(60, "u1"), "terminated must be bool [60] C-contiguous, got uint8 [60]"),
        (
            5,
            np.zeros(120, bool)[::2],
            "truncated must be bool [60] C-contiguous, got bool [60] not",
        ),
    ],
)
def test_a_block_of_other_arrays_is_refused_by_name(column, bad, text):
    replay, columns = LapReplay(100, S, A), block(60)
    columns[column] = bad
    with pytest.raises(ValueError, match=re.escape(text)):
        replay.add_transitions(*columns)


def test_a_block_is_neither_empty_nor_larger_than_the_capacity():
    replay = LapReplay(50, S, A)
    with pytest.raises(ValueError, match="a block of transitions must have at least one step"):
        replay.add_transitions(*block(0))
    with pytest.raises(ValueError, match="of 60 steps is longer than the capacity of 50"):
        replay.add_transitions(*block(60))
    with pytest.raises(IndexError, match="stream must be from 0 to 0, got 1"):
        replay.add_transitions(*block(5), stream=1)


def test_any_byte_but_zero_is_a_true_flag(tmp_path):
    columns = block(300)
    one, other = LapReplay(500, S, A), LapReplay(500, S, A)
    one.add_transitions(*columns)
    columns[4:] = [(column * np.uint8(6)).view(bool) for column in columns[4:]]
    assert columns[4].view(np.uint8).max() == 6
    other.add_transitions(*columns)
    for name, replay in (("one", one), ("other", other)):
        replay.save(tmp_path / name)
    assert (tmp_path / "one").read_bytes() == (tmp_path / "other").read_bytes()


def test_rows_in_a_scratch_file_draw_as_rows_in_memory_do(tmp_path):
    folder = tmp_path / "scratch"
    folder.mkdir()
    memory, file = (LapReplay(400, S, A, seeds=(1, 2), scratch_dir=d) for d in (None, folder))
    assert list(folder.iterdir()) == []  # a file without a name: nothing is left behind
    for replay, name in ((memory, "memory"), (file, "file")):
        for seed in range(5):
            for member in range(2):
                replay.add_transitions(*block(300, seed, ordered=seed % 2 == 0), member=member)
            batch = replay.sample(64)
            replay.update_priorities(batch.index, np.abs(batch.obs[..., 0]) + 1)
        replay.save(tmp_path / name)
    assert (tmp_path / "file").read_bytes() == (tmp_path / "memory").read_bytes()
    assert file.nbytes < memory.nbytes
    again = LapReplay(400, S, A, seeds=(1, 2), scratch_dir=folder)
    again.load(tmp_path / "memory")
    np.testing.assert_array_equal(again.sample(64).obs, memory.sample(64).obs)


def test_a_scratch_folder_that_is_not_there_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=f"make the replay's file in {tmp_path}/none"):
        LapReplay(10, S, A, scratch_dir=tmp_path / "none")


def test_a_full_disk_is_an_error_and_changes_nothing(tmp_path):
    # a limit on the size of files stands for the full disk; the first 64 MiB are there already
    program = f"""
        import resource
        import numpy as np
        from td7.replay import LapReplay

        replay = LapReplay(200_000, 200, 1, scratch_dir={str(tmp_path)!r})
        rows = np.zeros((1001, 200), "f4"), np.zeros((1000, 1), "f4"), np.zeros(1000, "f4")
        replay.add_episode(*rows, False)
        resource.setrlimit(resource.RLIMIT_FSIZE, (70 << 20, 70 << 20))
        try:
            for _ in range(200):
                size = replay.size()
                replay.add_episode(*rows, False)
        except OSError as error:
            assert "cannot extend the replay's file in {tmp_path}" in str(error), error
        assert replay.size() == size > 50_000
        assert replay.sample(1000).obs.shape == (1, 1000, 200)
        print("held")
    """
    command = [sys.executable, "-c", textwrap.dedent(program)]
    result = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert result.stdout == "held\n", result.stderr


def test_a_tensor_batch_shares_the_memory_that_sample_fills():
    replay = LapReplay(500, S, A, seeds=(1, 2))
    batch = TensorBatch(2, 32, S, A, probability=True)
    for member in range(2):
        replay.add_transitions(*block(400), member=member)
    wanted = replay.sample(32, probability=True)
    replay.set_draw_counter(0, member=0)
    replay.set_draw_counter(0, member=1)
    assert replay.sample(32, out=batch.arrays) is batch.arrays
    for field in dataclasses.fields(wanted):
        given = getattr(batch, field.name).numpy()
        np.testing.assert_array_equal(given, getattr(wanted, field.name))
    assert not batch.obs.is_pinned()
