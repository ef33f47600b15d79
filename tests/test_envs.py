"""Environments at the door: what MuJoCo says of a model, and values that are not finite."""

import mujoco
import numpy as np
import pytest

from td7.envs import SimulationError, check_finite, make_env, to_space


def test_a_warning_of_mujoco_becomes_a_python_warning_and_no_log_file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    before = mujoco.get_mju_user_warning()
    with pytest.warns(UserWarning, match="settotalmass"):
        make_env("HalfCheetah-v5").close()
    assert mujoco.get_mju_user_warning() is before
    assert not list(tmp_path.iterdir())


def test_an_action_stays_within_bounds_that_are_no_float32_numbers():
    env = make_env("Toy/NarrowBounds-v0")
    action = to_space(env.action_space, np.array([-0.1, 0.1], np.float32))
    assert env.action_space.contains(action)
    assert action.dtype == np.float64


@pytest.mark.parametrize("value", [np.array([0.0, np.nan]), np.inf, np.array([-np.inf])])
def test_a_value_that_is_not_finite_is_named_with_its_place(value):
    with pytest.raises(SimulationError, match=r"step 3: the environment's reward must be finite"):
        check_finite(value, "reward", "step 3")
