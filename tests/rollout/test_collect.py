"""A wave comes to the same steps of each simulation, however often it was broken off."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from td7.rollout import Episode
from td7.rollout.waves import Collector


class Walks:
    """Rollouts of one member whose episodes have given lengths; a run may end anywhere."""

    def __init__(self, lengths, rng=None):
        self.lengths, self.rng = lengths, rng
        self.steps = np.zeros((1, len(lengths)), np.int64)

    def episode(self, member, sim):
        steps = int(self.steps[member, sim])
        return Episode(0.0, steps, ended=steps == self.lengths[sim])

    def run(self, policies, most_steps, behaviours, stopped):
        room = np.minimum(most_steps, np.array(self.lengths) - self.steps)
        # an unbroken run takes all, one that is broken off any part
        self.steps = self.steps + (room if self.rng is None else self.rng.integers(0, room + 1))


def wave(lengths, budget, rng=None):
    rollouts = Walks(lengths, rng)
    collector = Collector(rollouts, [(None, 0)], len(lengths))
    collector.begin(0, len(lengths))
    collector.run([], [], [budget], lambda: False)
    return rollouts.steps[0].tolist()


@given(
    st.lists(st.integers(1, 20), min_size=1, max_size=5),
    st.integers(1, 100),
    st.integers(0, 2**32),
)
def test_steps_of_a_wave_do_not_depend_on_where_it_was_broken_off(lengths, budget, seed):
    unbroken = wave(lengths, budget)
    assert sum(unbroken) == min(budget, sum(lengths))
    assert wave(lengths, budget, np.random.default_rng(seed)) == unbroken


def test_simulations_share_the_steps_evenly_and_the_first_ones_get_the_rest():
    assert wave([9, 9, 9], 14) == [5, 5, 4]
    assert wave([3, 9, 9], 14) == [3, 6, 5]
