"""What a replay is as an object: settings that cannot be changed, a length, a clear, no copies."""

import copy
import pickle

import numpy as np
import pytest

from td7.replay import DeviceLapReplay, LapReplay

S, A = 2, 1
KINDS = (LapReplay, DeviceLapReplay)
SETTINGS = {
    "seeds": (3, 4),
    "capacity": 9,
    "obs_size": 5,
    "action_size": 4,
    "streams": 3,
    "alpha": 0.5,
    "min_priority": 2.0,
}


def add(replay, count, **where):
    for number in range(count):
        obs = np.full(S, number, np.float32)
        replay.add(obs, obs[:A], float(number), obs + 1, False, **where)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", SETTINGS)
def test_a_setting_cannot_be_changed_and_the_error_says_what_to_do(kind, name):
    replay = kind(8, S, A)
    before, value = getattr(replay, name), SETTINGS[name]
    with pytest.raises(AttributeError) as caught:
        setattr(replay, name, value)
    text = f"{name} of a {kind.__name__} cannot be changed, got {value!r}: make a new "
    assert str(caught.value) == text + (
        f"{kind.__name__} with {name}={value!r} and add the transitions to it"
    )
    assert getattr(replay, name) == before


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", ["alhpa", "members", "nbytes", "draw_counter", "core", "device"])
def test_no_other_public_attribute_can_be_set(kind, name):
    replay = kind(8, S, A)
    with pytest.raises(AttributeError, match=f"{name} of a {kind.__name__} cannot be set, got 1"):
        setattr(replay, name, 1)


@pytest.mark.parametrize("kind", KINDS)
def test_settings_are_those_it_was_made_with(kind):
    replay = kind(**SETTINGS)
    assert {name: getattr(replay, name) for name in SETTINGS} == SETTINGS
    assert replay.members == 2


@pytest.mark.parametrize("kind", KINDS)
def test_the_length_counts_the_transitions_of_all_members(kind):
    replay = kind(8, S, A, seeds=(1, 2))
    assert len(replay) == 0
    assert replay  # code that asks whether there is a replay must not ask how full it is
    add(replay, 3)
    add(replay, 20, member=1)
    assert len(replay) == 3 + 8


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("duplicate", [copy.copy, copy.deepcopy, pickle.dumps])
def test_a_copy_is_refused_and_the_error_names_save(kind, duplicate):
    text = rf"a {kind.__name__} cannot be pickled or copied: write it by save\(path\), and read it "
    with pytest.raises(TypeError, match=text):
        duplicate(kind(8, S, A))


@pytest.mark.parametrize("kind", KINDS)
def test_a_cleared_replay_is_as_new_but_for_its_draw_counter(kind, tmp_path):
    replay, new = (kind(500, S, A, seeds=(1, 2), streams=2) for _ in range(2))
    for member in range(2):
        add(replay, 700, member=member, stream=1)
    batch = replay.sample(16)
    replay.update_priorities(batch.index, batch.reward * 0 + 100)
    replay.clear()
    assert len(replay) == 0
    assert replay.max_priority(1) == 1.0
    assert [replay.draw_counter(member) for member in range(2)] == [1, 1]
    with pytest.raises(ValueError, match="cannot sample: the buffer holds no transition"):
        replay.sample(1)
    for each in (replay, new):
        add(each, 40)
        add(each, 3, member=1)
        for member in range(2):
            each.set_draw_counter(1, member)
    replay.save(tmp_path / "cleared")
    new.save(tmp_path / "new")
    assert (tmp_path / "cleared").read_bytes() == (tmp_path / "new").read_bytes()


@pytest.mark.parametrize("kind", KINDS)
def test_a_clear_of_some_members_leaves_the_others(kind):
    replay, whole = (kind(50, S, A, seeds=(1, 2, 3)) for _ in range(2))
    for each in (replay, whole):
        for member in range(3):
            add(each, 60, member=member)
    replay.clear([2, 0])
    assert [replay.size(member) for member in range(3)] == [0, 50, 0]
    left, expected = (each.sample(32, members=[1]) for each in (replay, whole))
    np.testing.assert_array_equal(np.asarray(left.index), np.asarray(expected.index))


@pytest.mark.parametrize("kind", KINDS)
def test_a_clear_that_names_a_wrong_member_clears_none(kind):
    replay = kind(8, S, A, seeds=(1, 2))
    add(replay, 3)
    with pytest.raises(IndexError, match="members must be from 0 to 1, got 2"):
        replay.clear([0, 2])
    with pytest.raises(ValueError, match="members must be distinct, got 0 twice"):
        replay.clear([0, 0])
    assert len(replay) == 3


def test_a_clear_gives_memory_back_and_keeps_the_scratch_folder_in_use(tmp_path):
    for folder in (None, tmp_path):
        replay = LapReplay(100_000, S, A, scratch_dir=folder)
        empty = replay.nbytes
        obs = np.zeros((50_001, S), np.float32)
        replay.add_episode(obs, obs[:-1, :A].copy(), np.zeros(50_000, np.float32), True)
        replay.clear()
        assert replay.nbytes == empty
        add(replay, 5)
        assert len(replay) == 5
