"""Long use: sums that do not drift, memory that does not grow, fifty million transitions."""

import math
import subprocess
import sys
import textwrap

import numpy as np
import pytest

from td7.replay import LapReplay


def filled(rows, capacity=None):
    """A replay of one endless episode whose reward is the row's number, and the rows' indices."""
    replay = LapReplay(capacity or rows, 1, 1, alpha=1.0)
    piece = 1_000_000
    obs = np.zeros((piece + 1, 1), np.float32)
    for first in range(0, rows, piece):
        n = min(piece, rows - first)
        reward = np.arange(first, first + n).astype(np.float32)
        replay.add_episode(obs[: n + 1], obs[:n], reward, False)
    return replay


def test_sums_after_1e8_updates_are_those_of_a_fresh_tree(tmp_path):
    rows = 100_000
    replay, rng = filled(rows), np.random.default_rng(0)
    index = np.arange(rows) // 255 * 256 + np.arange(rows) % 255
    order = rng.permutation(np.tile(index, 10))[None]
    for _ in range(100):
        error = np.exp2(rng.random((1, 10 * rows), np.float32) * 13)
        replay.update_priorities(order, error)
    replay.save(tmp_path / "replay.bin")
    fresh = LapReplay(rows, 1, 1, alpha=1.0)
    fresh.load(tmp_path / "replay.bin")  # sums are not in the file: they are made anew
    path = np.array([replay.path_probability(int(i)) for i in index])
    np.testing.assert_array_equal(path, [fresh.path_probability(int(i)) for i in index])
    priority = [replay.priority(int(i)) for i in index]
    np.testing.assert_allclose(path, np.array(priority) / math.fsum(priority), rtol=1e-6)
    np.testing.assert_array_equal(replay.sample(1000).index, fresh_draws(fresh, replay))


def fresh_draws(fresh, replay):
    """What the other one draws at the same call."""
    fresh.set_draw_counter(replay.draw_counter() - 1)
    return fresh.sample(1000).index


@pytest.mark.parametrize("cycles", [100_000, pytest.param(1_000_000, marks=pytest.mark.long)])
def test_memory_does_not_grow_over_cycles(cycles):
    # in a process of its own, whose peak is what it holds
    program = f"""
        import resource
        import numpy as np
        from td7.replay import LapReplay

        replay, rng = LapReplay(1000, 3, 2, seeds=(1, 2)), np.random.default_rng(0)
        obs, action = rng.standard_normal((2, 3)).astype("f4"), np.zeros(2, "f4")

        def run(count):
            for i in range(count):
                member = i % 2
                replay.add(obs[0], action, 1.0, obs[1], i % 7 == 0, member=member)
                if i > 1:
                    batch = replay.sample(4, probability=i % 5 == 0)
                    replay.update_priorities(batch.index, batch.reward)
            return replay.nbytes, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

        run(10_000)  # what is allocated once is allocated by now
        print(*run(1000), *run({cycles}))
    """
    command = [sys.executable, "-c", textwrap.dedent(program)]
    result = subprocess.run(command, capture_output=True, text=True, check=True, timeout=200)
    held, peak, held_after, peak_after = map(int, result.stdout.split())
    assert held_after == held
    unit = 1 if sys.platform == "darwin" else 1024
    assert (peak_after - peak) * unit < cycles  # less than a byte a cycle


@pytest.mark.long
def test_fifty_million_transitions_are_held_and_drawn():
    rows = 50_000_000
    replay = filled(rows)
    assert replay.size() == rows
    assert replay.nbytes < rows * 26  # 16 a row, 4.3 a weight, an eighth of a byte for liveness
    assert replay.path_probability(0) == pytest.approx(1 / rows, rel=1e-6)
    drawn = replay.sample(1_000_000, probability=True)
    np.testing.assert_allclose(drawn.probability, 1 / rows, rtol=1e-6)
    # the mean of a million uniform draws: a standard deviation is rows / sqrt(12) / 1000
    assert abs(drawn.reward.mean(dtype=np.float64) - rows / 2) < 4 * rows / math.sqrt(12) / 1000
    replay.add_episode(np.zeros((2, 1), "f4"), np.zeros((1, 1), "f4"), np.ones(1, "f4"), True)
    assert replay.size() == rows


def test_a_replay_for_fifty_million_costs_what_it_holds():
    replay = LapReplay(50_000_000, 17, 6)
    replay.add(np.zeros(17, "f4"), np.zeros(6, "f4"), 1.0, np.ones(17, "f4"), False)
    assert replay.sample(3).index.tolist() == [[0, 0, 0]]
    assert replay.nbytes < 32 << 20
