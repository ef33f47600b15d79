"""LAP's rules and the buffer's: priorities, the maximum, what is kept, what a row says."""

import numpy as np
import pytest

from td7.replay import Batch, LapReplay


def rows_of(number):
    """A transition in which everything is told from its number."""
    obs = np.array([number, 0.5], np.float32)
    next_obs = np.array([number + 1, 0.5], np.float32)
    return obs, np.array([-number], np.float32), float(number), next_obs


def add_numbers(replay, numbers, *, end=False, **where):
    for number in numbers:
        replay.add(*rows_of(number), terminated=end, **where)


def kept(replay, member=0, draws=20_000):
    """The numbers of the transitions that can be drawn (with certainty for few rows)."""
    return sorted({int(n) for n in replay.sample(draws, members=[member]).reward[0]})


def test_priority_is_the_clamped_error_to_the_power_alpha():
    replay = LapReplay(10, 2, 1, alpha=0.4, min_priority=2.0)
    add_numbers(replay, range(4))
    errors = np.array([[0.0, 1.0, 2.0, 32.0]], np.float32)
    replay.update_priorities(np.array([[0, 1, 2, 3]]), errors)
    low = np.float32(2.0**0.4)
    assert [replay.priority(i) for i in range(4)] == [low, low, low, 4.0]


def test_of_equal_indices_the_last_wins_and_all_raise_the_maximum():
    replay = LapReplay(10, 2, 1, alpha=0.5)
    add_numbers(replay, range(3))
    replay.update_priorities(np.array([[1, 1, 2, 1]]), np.array([[9, 100, 4, 16]], np.float32))
    assert [replay.priority(i) for i in range(3)] == [1.0, 4.0, 2.0]
    assert replay.max_priority() == 10.0


def test_new_transitions_get_the_maximum_until_it_is_reset():
    replay = LapReplay(10, 2, 1, alpha=0.5)
    assert replay.max_priority() == 1.0
    add_numbers(replay, [0, 1])
    replay.update_priorities(np.array([[0]]), np.array([[64]], np.float32))
    replay.update_priorities(np.array([[0]]), np.array([[9]], np.float32))
    add_numbers(replay, [2])
    assert replay.priority(2) == 8.0
    replay.update_priorities(np.array([[2]]), np.array([[4]], np.float32))
    assert replay.max_priority() == 8.0
    replay.reset_max_priority()
    assert replay.max_priority() == 3.0
    add_numbers(replay, [3])
    assert replay.priority(3) == 3.0


def test_the_maximum_forgets_evicted_transitions_at_a_reset():
    replay = LapReplay(3, 2, 1, alpha=0.5)
    add_numbers(replay, [0])
    replay.update_priorities(np.array([[0]]), np.array([[64]], np.float32))
    replay.reset_max_priority()
    add_numbers(replay, [1, 2])
    replay.update_priorities(np.array([[1, 2]]), np.array([[4, 4]], np.float32))
    assert replay.max_priority() == 8.0
    add_numbers(replay, [3])
    replay.update_priorities(np.array([[3]]), np.array([[0]], np.float32))
    replay.reset_max_priority()
    assert replay.max_priority() == 2.0


def test_the_maximum_of_an_empty_replay_resets_to_one():
    replay = LapReplay(3, 2, 1)
    replay.reset_max_priority()
    assert replay.max_priority() == 1.0


@pytest.mark.parametrize("capacity", [1, 2, 15, 16, 17, 255, 256, 257, 1000])
@pytest.mark.parametrize("end", [False, True])
def test_one_stream_is_first_in_first_out_at_any_capacity(capacity, end):
    replay = LapReplay(capacity, 2, 1)
    total = 3 * capacity + 7
    for number in range(total):
        add_numbers(replay, [number], end=end)
        assert replay.size() == min(number + 1, capacity)
    assert kept(replay) == list(range(total - capacity, total))


def test_every_row_keeps_its_own_next_observation_through_wrap_around():
    replay = LapReplay(700, 2, 1)
    rng = np.random.default_rng(0)
    for number in range(5000):
        replay.add(*rows_of(number), terminated=bool(rng.random() < 0.1))
        if rng.random() < 0.05:
            replay.end_episode()
    batch = replay.sample(20_000)
    numbers = batch.reward[0]
    np.testing.assert_array_equal(batch.obs[0, :, 0], numbers)
    np.testing.assert_array_equal(batch.next_obs[0, :, 0], numbers + 1)
    np.testing.assert_array_equal(batch.action[0, :, 0], -numbers)


def test_an_episode_as_a_block_keeps_what_step_by_step_keeps():
    block, steps = LapReplay(600, 2, 1), LapReplay(600, 2, 1)
    number = 0
    for length in (1, 300, 17, 599, 600, 2, 255, 256):
        rows = [rows_of(number + t) for t in range(length)]
        obs = np.stack([row[0] for row in rows] + [rows[-1][3]])
        action = np.stack([row[1] for row in rows])
        reward = np.array([row[2] for row in rows], np.float32)
        block.add_episode(obs, action, reward, terminated=True)
        for t, row in enumerate(rows):
            steps.add(*row, terminated=t + 1 == length)
        number += length
        assert block.size() == steps.size()
    assert kept(block) == kept(steps) == list(range(number - 600, number))
    last = block.sample(10_000)
    ends = np.unique(last.reward[last.not_terminated == 0])
    np.testing.assert_array_equal(ends, [number - n - 1 for n in (513, 511, 256, 0)])


def test_only_termination_ends_the_bootstrap():
    replay = LapReplay(10, 2, 1)
    replay.add(*rows_of(0), terminated=False, truncated=True)
    replay.add(*rows_of(10), terminated=True)
    replay.add(*rows_of(20), terminated=True, truncated=True)
    replay.add(*rows_of(30), terminated=False)
    batch = replay.sample(1000)
    flags = dict(zip(batch.reward[0].tolist(), batch.not_terminated[0].tolist(), strict=True))
    assert flags == {0.0: 1.0, 10.0: 0.0, 20.0: 0.0, 30.0: 1.0}


def test_a_transition_can_be_drawn_as_soon_as_it_is_added():
    replay = LapReplay(10, 2, 1)
    replay.add(*rows_of(7), terminated=False)
    batch = replay.sample(1)
    assert (batch.reward[0, 0], batch.next_obs[0, 0, 0]) == (7.0, 8.0)


def test_an_unrelated_observation_starts_a_new_episode():
    replay = LapReplay(50, 2, 1)
    add_numbers(replay, [0, 1, 40, 7, 8, 30])
    batch = replay.sample(5000)
    np.testing.assert_array_equal(batch.next_obs[0, :, 0], batch.reward[0] + 1)
    assert kept(replay) == [0, 1, 7, 8, 30, 40]


def test_streams_interleave_without_mixing():
    replay = LapReplay(1000, 2, 1, streams=3)
    for t in range(400):
        for stream in range(3):
            add_numbers(replay, [1000 * stream + t], stream=stream)
    batch = replay.sample(20_000)
    np.testing.assert_array_equal(batch.next_obs[0, :, 0], batch.reward[0] + 1)
    newest = [1000 * s + t for s in range(3) for t in range(200, 400)]
    assert set(newest) <= set(kept(replay))


def test_an_episode_survives_whole_beside_other_streams():
    replay = LapReplay(64, 2, 1, streams=2)
    for number in range(40):
        add_numbers(replay, [number], stream=number % 2)
    rows = [rows_of(100 + t) for t in range(64)]
    obs = np.stack([row[0] for row in rows] + [rows[-1][3]])
    action = np.stack([row[1] for row in rows])
    replay.add_episode(obs, action, np.array([row[2] for row in rows], np.float32), False, stream=1)
    assert kept(replay) == list(range(100, 164))


def test_outputs_of_the_caller_are_filled_in_place():
    replay, other = LapReplay(10, 2, 1, seeds=(1, 2)), LapReplay(10, 2, 1, seeds=(1, 2))
    for r in (replay, other):
        for member in range(2):
            add_numbers(r, range(5), member=member)
    out = Batch.empty(2, 8, 2, 1, probability=True)
    assert replay.sample(8, out=out) is out
    expected = other.sample(8, probability=True)
    for name in ("obs", "action", "reward", "next_obs", "not_terminated", "index", "probability"):
        np.testing.assert_array_equal(getattr(out, name), getattr(expected, name))


def test_memory_is_held_for_what_is_used_only():
    small = LapReplay(50_000_000, 17, 6)
    assert small.nbytes < 2**16
    replay = LapReplay(1_000_000, 17, 6)
    obs, action = np.zeros((1001, 17), np.float32), np.zeros((1000, 6), np.float32)
    for _ in range(200):
        replay.add_episode(obs, action, np.zeros(1000, np.float32), False)
    # 100 bytes of row and 4.3 of priorities a transition, two huge pages, and the segments' ends
    assert 104.3 * 200_000 < replay.nbytes < 105 * 200_000 + 2**22 + 2**16


def test_outputs_that_share_memory_are_filled_within_their_bounds():
    drawn, twin = (LapReplay(1000, 2, 1, seeds=(5, 6)) for _ in range(2))
    for replay in (drawn, twin):
        for member in range(2):
            add_numbers(replay, range(-500, 500), member=member)
    expected, out = twin.sample(600), Batch.empty(2, 600, 2, 1)
    # obs lies on the slots of later rows, next_obs on the members: read back, they are far off
    shared = np.empty(2 * 1300, np.float32)
    out.index = shared.view(np.int64)[:1200].reshape(2, 600)
    out.obs = shared[2 * 20 : 2 * 1220].reshape(2, 600, 2)
    shared_members = out.next_obs.reshape(-1)[:4].view(np.int64)
    shared_members[:] = 0, 1
    drawn.sample(600, members=shared_members, out=out)
    for name in ("action", "reward", "next_obs", "not_terminated"):
        np.testing.assert_array_equal(getattr(out, name), getattr(expected, name))
