"""Environments at the door: what MuJoCo says of a model, and actions within bounds."""

import mujoco
import numpy as np
import pytest

from td7.envs import make_env, to_space


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
