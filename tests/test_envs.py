"""Environments at the door: what MuJoCo says of a model, and values that are not finite."""

import gymnasium
import mujoco
import numpy as np
import pytest

from td7.envs import DivergedError, check_finite, make_env


def test_a_warning_of_mujoco_becomes_a_python_warning_and_no_log_file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    before = mujoco.get_mju_user_warning()
    with pytest.warns(UserWarning, match="settotalmass"):
        make_env("HalfCheetah-v5").close()
    assert mujoco.get_mju_user_warning() is before
    assert not list(tmp_path.iterdir())


def test_arguments_reach_the_environment():
    env = make_env("Toy/Point-v0", end_at=3)
    env.reset(seed=0)
    assert [env.step(env.action_space.sample())[2] for _ in range(3)] == [False, False, True]
    assert isinstance(env, gymnasium.Env)


@pytest.mark.parametrize("value", [np.array([0.0, np.nan]), np.inf, np.array([-np.inf])])
def test_a_value_that_is_not_finite_is_named_with_its_place(value):
    with pytest.raises(DivergedError, match=r"step 3: the environment's reward must be finite"):
        check_finite(value, "reward", "step 3")
