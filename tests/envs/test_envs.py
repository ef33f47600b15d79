"""Gymnasium environments: actions within bounds."""

import numpy as np

from td7.envs import make_env, to_space


def test_an_action_stays_within_bounds_that_are_no_float32_numbers():
    env = make_env("Toy/NarrowBounds-v0")
    action = to_space(env.action_space, np.array([-0.1, 0.1], np.float32))
    assert env.action_space.contains(action)
    assert action.dtype == np.float64
