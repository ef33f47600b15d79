"""What is drawn, and how often: distribution, path probabilities, purity of the draws."""

import math

import numpy as np
import pytest

from td7.replay import LapReplay


def one_episode(rows, *, seeds=(0,), alpha=1.0):
    """A replay of one endless episode in which obs, action and reward are the row's number."""
    replay = LapReplay(max(rows, 20_000), 1, 1, seeds=seeds, alpha=alpha)
    obs = np.arange(rows + 1, dtype=np.float32)[:, None]
    for member in range(len(seeds)):
        replay.add_episode(obs, obs[:-1], obs[:-1, 0].copy(), False, member=member)
    return replay


def indices(rows):
    """The slots of one_episode's rows: in a segment of 256 the last holds an observation only."""
    number = np.arange(rows)
    return number // 255 * 256 + number % 255


def set_priorities(replay, index, td_error):
    replay.update_priorities(index[None], np.asarray(td_error, np.float32)[None])


def counts_of_draws(replay, rows, draws):
    """How often each row comes in `draws` draws."""
    counts = np.zeros(rows, np.int64)
    for _ in range(0, draws, 2**20):
        numbers = replay.sample(min(draws, 2**20)).reward[0].astype(np.int64)
        counts += np.bincount(numbers, minlength=rows)
    return counts


def draws_follow(replay, probability, draws=2**23):
    """Whether the draws look like `probability`, all rows together and each by itself.

    Pearson's statistic is at most 4 of its standard deviations from its mean, and no row is 4.5 of
    its own away from what is expected of it.
    """
    rows = len(probability)
    off = counts_of_draws(replay, rows, draws) - probability * draws
    statistic = np.sum(off**2 / (probability * draws))
    each = off / np.sqrt(draws * probability * (1 - probability))
    together = (statistic - (rows - 1)) / math.sqrt(2 * (rows - 1))
    return bool(abs(together) < 4 and np.all(np.abs(each) < 4.5))


@pytest.mark.parametrize("rows", [2, 17, 255, 300])
def test_rows_are_drawn_in_proportion_to_priority_and_five_percent_off_is_seen(rows):
    td_error = np.linspace(1.0, 2.0, rows)
    probability = td_error / td_error.sum()
    replay = one_episode(rows, seeds=(11,))
    set_priorities(replay, indices(rows), td_error)
    assert draws_follow(replay, probability)
    # the same test must not take a sampler for good that has one row wrong
    for changed in (0, rows - 1):
        wrong = td_error.copy()
        wrong[changed] *= 1.05
        set_priorities(replay, indices(rows), wrong)
        assert not draws_follow(replay, probability), changed


def test_a_lone_row_is_always_drawn():
    assert np.all(one_episode(1).sample(1000).index == 0)


def test_alpha_zero_draws_uniformly_whatever_the_errors():
    replay = one_episode(100, alpha=0.0)
    set_priorities(replay, indices(100), np.geomspace(1e-3, 1e6, 100))
    assert draws_follow(replay, np.full(100, 0.01), 2**20)


def relative_errors(rows, checked):
    """|P - p/total| / (p/total) over the rows `checked`, priorities from 1 to 1e4."""
    replay = one_episode(rows)
    index = indices(rows)
    td_error = (10 ** np.random.default_rng(0).uniform(0, 4, rows)).astype(np.float32)
    td_error[:2] = 1.0, 1e4
    set_priorities(replay, index, td_error)
    exact = td_error.astype(np.float64) / math.fsum(td_error.tolist())
    path = np.array([replay.path_probability(int(index[i])) for i in checked])
    return np.abs(path - exact[checked]) / exact[checked], path


def test_path_probabilities_are_within_1e6th_at_1e5_rows():
    error, path = relative_errors(100_000, np.arange(100_000))
    assert error.max() <= 1e-6
    assert math.fsum(path) == pytest.approx(1.0, abs=1e-12)


@pytest.mark.long
def test_path_probabilities_are_within_1e6th_at_1e7_rows():
    error, path = relative_errors(10_000_000, np.arange(10_000_000))
    assert error.max() <= 1e-6
    assert math.fsum(path) == pytest.approx(1.0, abs=1e-12)


def test_sample_reports_the_path_probability_of_each_row():
    replay = one_episode(5000)
    set_priorities(replay, indices(5000), np.geomspace(1, 1e4, 5000))
    batch = replay.sample(300, probability=True)
    expected = [replay.path_probability(int(slot)) for slot in batch.index[0]]
    np.testing.assert_array_equal(batch.probability[0], expected)
    assert replay.sample(3).probability is None


def test_rows_that_hold_only_a_following_observation_are_never_drawn():
    replay = LapReplay(100_000, 1, 1)
    action = np.zeros((1, 1), np.float32)
    for number in range(2000):  # one-step episodes: every other slot is such a row
        obs = np.array([[number], [-1]], np.float32)
        replay.add_episode(obs, action, np.ones(1, np.float32), terminated=True)
    batch = replay.sample(2**18)
    assert np.all(batch.obs >= 0)
    assert np.all(batch.next_obs == -1)
    assert len(np.unique(batch.index)) == 2000


def test_a_lone_heavy_row_is_drawn_and_light_neighbours_keep_their_chance():
    replay = one_episode(4096)
    td_error = np.ones(4096)
    td_error[2048] = 1e7
    set_priorities(replay, indices(4096), td_error)
    slot = int(indices(4096)[2047])
    assert replay.path_probability(slot) == pytest.approx(1 / td_error.sum(), rel=1e-6)
    assert np.mean(replay.sample(10_000).obs == 2048) > 0.999


def test_equal_seeds_draw_equally_and_others_do_not():
    a, b, c = (one_episode(3000, seeds=(seed,)) for seed in (1, 1, 2))
    first, second, third = (r.sample(64).index for r in (a, b, c))
    np.testing.assert_array_equal(first, second)
    assert not np.array_equal(first, third)
    assert not np.array_equal(first, a.sample(64).index)


def test_a_members_draws_do_not_depend_on_who_else_samples():
    alone = one_episode(3000, seeds=(5,))
    company = one_episode(3000, seeds=(4, 5, 6))
    rng = np.random.default_rng(0)
    for members in ([1], [0, 1, 2], [2, 1], [1, 0]):
        company.sample(8, members=[0])
        expected, batch = alone.sample(32), company.sample(32, members=members)
        place = members.index(1)
        np.testing.assert_array_equal(batch.index[place], expected.index[0])
        np.testing.assert_array_equal(batch.obs[place], expected.obs[0])
        error = rng.uniform(0, 9, (len(members), 32)).astype(np.float32)
        company.update_priorities(batch.index, error, members=members)
        alone.update_priorities(expected.index, error[place : place + 1])
        company.reset_max_priority([0, 2])
    assert company.max_priority(1) == alone.max_priority()


def test_the_draw_counter_repeats_and_skips_draws():
    replay = one_episode(3000)
    first, second = replay.sample(16).index, replay.sample(16).index
    assert replay.draw_counter() == 2
    replay.set_draw_counter(1)
    np.testing.assert_array_equal(replay.sample(16).index, second)
    replay.set_draw_counter(0)
    np.testing.assert_array_equal(replay.sample(16).index, first)


def test_a_long_batch_begins_with_the_short_batch_of_the_same_call():
    a, b = one_episode(3000), one_episode(3000)
    np.testing.assert_array_equal(a.sample(1000).index[:, :100], b.sample(100).index)
