"""With alpha = 0 the replay draws uniformly, as TD3 wants it, whatever TD errors are written."""

import math

import numpy as np
import pytest
import torch

from td7.replay import DeviceLapReplay, LapReplay

KINDS = (LapReplay, DeviceLapReplay)
ROWS = 700  # three segments, two levels of the sum tree and a part of a third


def filled(kind, alpha=0.0, **options):
    """One episode after another in a full buffer; reward is the place among those kept."""
    replay = kind(ROWS, 1, 1, seeds=(5,), alpha=alpha, **options)
    for first in (-300, -150, 0, 350):
        number = np.arange(first, {-300: -150, -150: 0, 0: 350, 350: ROWS}[first])
        obs = np.arange(first, first + len(number) + 1, dtype=np.float32)[:, None]
        replay.add_episode(obs, obs[:-1], obs[:-1, 0].copy(), False)
    return replay


def write(replay, td_errors):
    """Gives every transition that is drawn one of the TD errors."""
    batch = replay.sample(4096)
    error = np.resize(np.asarray(td_errors, np.float32), (1, 4096))
    error = torch.from_numpy(error) if isinstance(replay, DeviceLapReplay) else error
    replay.update_priorities(batch.index, error)


def counts(replay, draws=2**21):
    result = np.zeros(ROWS)
    for _ in range(draws // 2**17):
        numbers = np.asarray(replay.sample(2**17).reward)[0].astype(np.int64)
        result += np.bincount(numbers, minlength=ROWS)
    return result


def is_uniform(counted):
    """Whether Pearson's statistic and each row's count are as of uniform draws (4.5 deviations)."""
    expected = counted.sum() / ROWS
    statistic = np.sum((counted - expected) ** 2) / expected
    together = (statistic - (ROWS - 1)) / math.sqrt(2 * (ROWS - 1))
    return abs(together) < 4 and np.all(np.abs(counted - expected) < 4.5 * math.sqrt(expected))


WILD = np.array([0, 1e-30, 0.5, 1, 7, 1e4, 3e38])


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("min_priority", [1e-30, 1.0, 1e30])
def test_draws_are_uniform_whatever_td_errors_are_written(kind, min_priority):
    replay = filled(kind, min_priority=min_priority)
    write(replay, WILD)
    replay.reset_max_priority()
    assert is_uniform(counts(replay))
    if kind is DeviceLapReplay:
        replay.raise_if_bad()


@pytest.mark.parametrize("kind", KINDS)
def test_the_test_of_uniformity_sees_an_alpha_of_a_twentieth_and_one_row_ten_percent_off(kind):
    replay = filled(kind, alpha=0.05)
    write(replay, WILD[:-1])
    assert not is_uniform(counts(replay))
    replay = filled(kind, alpha=1.0)
    index, error = np.array([[100]]), np.array([[1.1]], np.float32)
    if kind is DeviceLapReplay:
        index, error = torch.from_numpy(index), torch.from_numpy(error)
    replay.update_priorities(index, error)
    assert not is_uniform(counts(replay))


@pytest.mark.parametrize("kind", KINDS)
def test_every_priority_is_one_to_the_bit_and_resets_change_nothing(kind):
    replay = filled(kind)
    for _ in range(3):
        write(replay, WILD)
        replay.reset_max_priority()
        batch = replay.sample(4096, probability=True)
        assert {replay.priority(int(slot)) for slot in np.unique(np.asarray(batch.index))} == {1.0}
        assert replay.max_priority() == 1.0
        chance = np.asarray(batch.probability)
        np.testing.assert_allclose(chance, 1 / ROWS, rtol=1e-15)
    obs = np.zeros(1, np.float32)
    replay.add(obs, obs, 0.0, obs, False)
    assert replay.max_priority() == 1.0
    replay.clear()
    replay.reset_max_priority()
    assert replay.max_priority() == 1.0


@pytest.mark.parametrize("kind", KINDS)
def test_draws_do_not_depend_on_td_errors_that_were_written(kind):
    written, untouched = filled(kind), filled(kind)
    write(written, WILD)
    written.set_draw_counter(0)
    ours, theirs = written.sample(1000).index, untouched.sample(1000).index
    np.testing.assert_array_equal(np.asarray(ours), np.asarray(theirs))


@pytest.mark.parametrize("capacity", [100_000, 1_000_000])
def test_a_large_buffer_gives_every_row_the_same_chance(capacity):
    replay = LapReplay(capacity, 1, 1, alpha=0.0)
    obs = np.zeros((capacity + 1, 1), np.float32)
    replay.add_episode(obs, obs[:-1], obs[:-1, 0].copy(), False)
    batch = replay.sample(4096, probability=True)
    np.testing.assert_allclose(batch.probability, 1 / capacity, rtol=1e-15)
