"""Save and restore: exact continuation, and refusal of anything that is not the whole file."""

import os
import sys

import numpy as np
import pytest

from td7.replay import LapReplay

ARGUMENTS = {"seeds": (3, 4), "streams": 2, "alpha": 0.5, "min_priority": 0.5}


def filled(steps=900, capacity=300, **changes):
    """A replay in the middle of everything: wrapped, open episodes, priorities, counters."""
    replay = LapReplay(capacity, 2, 1, **(ARGUMENTS | changes))
    rng = np.random.default_rng(0)
    run(replay, rng, steps)
    return replay


def run(replay, rng, steps):
    """Random steps and updates; returns the slots that were drawn."""
    drawn = []
    for number in range(steps):
        obs = np.array([[number, 0], [number + 1, 0]], np.float32)
        action = rng.uniform(-1, 1, 1).astype(np.float32)
        stream, member = int(rng.integers(replay.streams)), int(rng.integers(replay.members))
        ends = rng.random(2) < 0.02
        replay.add(
            obs[0], action, float(number), obs[1], *ends.tolist(), member=member, stream=stream
        )
        if number % 50 == 49:
            batch = replay.sample(16)
            error = rng.exponential(3, batch.index.shape).astype(np.float32)
            replay.update_priorities(batch.index, error)
            drawn.append(batch.index)
    return drawn


def same(a, b):
    """Equality of everything that can be seen."""
    for member in range(a.members):
        assert a.size(member) == b.size(member)
        assert a.max_priority(member) == b.max_priority(member)
        assert a.draw_counter(member) == b.draw_counter(member)
    x, y = a.sample(2000, probability=True), b.sample(2000, probability=True)
    for name in ("obs", "action", "reward", "next_obs", "not_terminated", "index", "probability"):
        np.testing.assert_array_equal(getattr(x, name), getattr(y, name))


@pytest.mark.parametrize("steps", [0, 1, 40, 900])
def test_a_loaded_replay_continues_to_the_bit(tmp_path, steps):
    original = filled(steps)
    original.save(tmp_path / "replay.bin")
    copy = LapReplay(300, 2, 1, **ARGUMENTS)
    copy.load(tmp_path / "replay.bin")
    ways = [run(replay, np.random.default_rng(1), 700) for replay in (original, copy)]
    np.testing.assert_array_equal(*ways)
    for replay in (original, copy):
        replay.end_episode(member=1, stream=1)
    same(original, copy)


def test_saving_changes_nothing_and_equal_states_give_equal_files(tmp_path):
    a, b = filled(), filled()
    a.save(tmp_path / "a")
    a.save(tmp_path / "a2")
    b.save(tmp_path / "b")
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    assert (tmp_path / "a").read_bytes() == (tmp_path / "a2").read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "a2", "b"]
    same(a, b)


def test_inner_sums_do_not_drift_over_updates(tmp_path):
    # inner sums are not saved: after loading they are made from the priorities alone
    replay = LapReplay(3000, 1, 1, alpha=1.0)
    obs = np.zeros((3001, 1), np.float32)
    replay.add_episode(obs, obs[1:], obs[1:, 0].copy(), False)
    rng = np.random.default_rng(0)
    for _ in range(2000):
        batch = replay.sample(64)
        replay.update_priorities(
            batch.index, np.exp2(rng.uniform(-20, 40, (1, 64)), dtype=np.float32)
        )
    fresh = LapReplay(3000, 1, 1, alpha=1.0)
    replay.save(tmp_path / "replay.bin")
    fresh.load(tmp_path / "replay.bin")
    same(replay, fresh)


def refuse(replay, path, message, error=ValueError):
    """Loading fails with the message and leaves the replay as it was."""
    twin = filled()
    with pytest.raises(error, match=message):
        replay.load(path)
    same(replay, twin)
    assert (
        run(replay, np.random.default_rng(2), 100)[0].tolist()
        == run(twin, np.random.default_rng(2), 100)[0].tolist()
    )


def test_a_torn_file_is_refused_wherever_it_is_cut(tmp_path):
    path = tmp_path / "replay.bin"
    filled(500).save(path)
    whole = path.read_bytes()
    for size in (0, 1, 50, 71, 72, 100, 1000, len(whole) - 9, len(whole) - 8, len(whole) - 1):
        path.write_bytes(whole[:size])
        refuse(filled(), path, "replay file .*replay.bin is torn")
    path.write_bytes(whole + b"\0")
    refuse(filled(), path, "replay file .*replay.bin is torn")


def test_an_altered_file_is_refused_wherever_it_is_altered(tmp_path):
    path = tmp_path / "replay.bin"
    filled(500).save(path)
    whole = path.read_bytes()
    replay = filled()
    places = [*range(0, 300), *range(300, len(whole), 97), len(whole) - 1]
    for place in places:
        for bit in (0, 7):
            altered = bytearray(whole)
            altered[place] ^= 1 << bit
            path.write_bytes(altered)
            with pytest.raises(ValueError, match=r"replay file .*replay.bin "):
                replay.load(path)
    same(replay, filled())


@pytest.mark.parametrize(
    ("size", "changes", "message"),
    [
        ((301, 2, 1), {}, "has capacity 300, this replay has 301"),
        ((300, 3, 1), {}, "has obs_size 2, this replay has 3"),
        ((300, 2, 2), {}, "has action_size 1, this replay has 2"),
        ((300, 2, 1), {"streams": 1}, "has streams 2, this replay has 1"),
        ((300, 2, 1), {"alpha": 0.4}, "has alpha 0.5, this replay has 0.4"),
        ((300, 2, 1), {"min_priority": 1.0}, "has min_priority 0.5, this replay has 1"),
        ((300, 2, 1), {"seeds": (3,)}, "has members 2, this replay has 1"),
        ((300, 2, 1), {"seeds": (3, 5)}, "has seed 4, this replay has 5"),
    ],
)
def test_a_file_of_other_arguments_is_refused_by_name(tmp_path, size, changes, message):
    filled().save(tmp_path / "replay.bin")
    with pytest.raises(ValueError, match=message):
        LapReplay(*size, **(ARGUMENTS | changes)).load(tmp_path / "replay.bin")


def test_a_foreign_file_is_refused(tmp_path):
    path = tmp_path / "replay.bin"
    path.write_bytes(b"not a replay " * 100)
    refuse(filled(), path, "is not a replay file of this version")


def test_a_missing_file_and_folder_are_system_errors(tmp_path):
    refuse(filled(), tmp_path / "none", "cannot read .*none", FileNotFoundError)
    with pytest.raises(FileNotFoundError, match="cannot write"):
        filled().save(tmp_path / "folder" / "none")


def test_a_failed_save_leaves_the_older_file_whole(tmp_path):
    path = tmp_path / "replay.bin"
    replay = filled()
    replay.save(path)
    before = path.read_bytes()
    (tmp_path / "replay.bin.partial").mkdir()
    with pytest.raises(OSError, match="cannot write"):
        replay.save(path)
    assert path.read_bytes() == before


def test_a_save_that_fails_at_the_renaming_leaves_no_file_behind(tmp_path):
    (tmp_path / "replay.bin" / "in_the_way").mkdir(parents=True)
    with pytest.raises(OSError, match=r"replay.bin"):
        filled().save(tmp_path / "replay.bin")
    assert [path.name for path in tmp_path.iterdir()] == ["replay.bin"]


def test_a_path_with_a_null_character_is_refused(tmp_path):
    replay = filled()
    replay.save(tmp_path / "replay.bin")
    for call in (replay.save, replay.load):
        with pytest.raises(ValueError, match=r"path must not contain a null character, got '.*x"):
            call(f"{tmp_path}/replay.bin\0x")
    assert [path.name for path in tmp_path.iterdir()] == ["replay.bin"]


@pytest.mark.skipif(sys.platform == "darwin", reason="file names must be UTF-8 there")
def test_any_file_name_will_do(tmp_path):
    path = tmp_path / os.fsdecode(b"caf\xe9.bin")
    replay, copy = filled(), filled(0)
    replay.save(path)
    copy.load(path)
    same(replay, copy)
    path.write_bytes(b"short")
    with pytest.raises(ValueError, match=r"replay file .*caf.*\.bin is torn"):
        copy.load(path)
    with pytest.raises(FileNotFoundError, match=r"cannot read .*caf.*\.none"):
        copy.load(f"{path}.none")


def test_a_differing_argument_is_told_to_the_last_digit(tmp_path):
    filled(alpha=0.1 + 0.2).save(tmp_path / "replay.bin")
    with pytest.raises(ValueError, match=r"has alpha 0\.30000000000000004, this replay has 0\.3$"):
        filled(0, alpha=0.3).load(tmp_path / "replay.bin")
