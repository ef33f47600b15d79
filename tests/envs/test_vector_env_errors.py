"""What the vector environment of a native task refuses, and how it says so."""

import re
from pathlib import Path

import gymnasium
import numpy as np
import pytest
from gymnasium.error import ClosedEnvironmentError, Error, ResetNeeded
from gymnasium.vector import AutoresetMode

from td7.envs import NativeVectorEnv, SimulationError, make_vec


@pytest.fixture
def env():
    """Return two cheetahs that have been reset."""
    env = NativeVectorEnv("HalfCheetah-v5", 2, num_threads=1)
    env.reset(seed=0)
    return env


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ({"num_envs": 0}, "num_envs must be an integer of at least 1, got 0"),
        ({"num_envs": 2.0}, "num_envs must be an integer of at least 1, got 2.0"),
        ({"num_envs": True}, "num_envs must be an integer of at least 1, got True"),
        (
            {"num_threads": -1},
            "num_threads must be an integer of at least 0 (0: all processors), got -1",
        ),
        ({"autoreset_mode": "Never"}, "autoreset_mode must be one of 'NextStep', 'SameStep', "),
        ({"render_mode": "human"}, "render_mode must be None or one of 'rgb_array', "),
        ({"max_episode_steps": 0}, "max_episode_steps must be an integer of at least 1, got 0"),
        ({"frame_skip": 0}, "HalfCheetah-v5: frame_skip must be "),
        ({"reset_noise_scale": -1.0}, "HalfCheetah-v5: reset_noise_scale must be "),
    ],
)
def test_a_bad_value_is_named_with_what_was_wanted(arguments, text):
    with pytest.raises(ValueError, match=re.escape(text)):
        make_vec("HalfCheetah-v5", **arguments)


def test_an_unknown_id_is_named():
    with pytest.raises(ValueError, match="env must be a known Gymnasium id, got 'Nothing-v0'"):
        make_vec("Nothing-v0")
    with pytest.raises(ValueError, match=r"must be a task in C\+\+ \(Ant-v5, .*got 'CartPole-v1'"):
        NativeVectorEnv("CartPole-v1")


def test_an_argument_that_the_task_lacks_is_named_with_those_it_has():
    with pytest.raises(TypeError, match=r"has no argument 'healthy_reward'; it has xml_file, "):
        make_vec("HalfCheetah-v5", healthy_reward=1.0)


def test_a_model_that_does_not_compile_shows_the_compilers_words(tmp_path):
    model = tmp_path / "robot.xml"
    model.write_text("<mujoco><worldbody><bdy/></worldbody></mujoco>")
    with pytest.raises(ValueError, match=r"robot.xml does not compile: (.|\n)*bdy"):
        make_vec("HalfCheetah-v5", xml_file=str(model))
    with pytest.raises(OSError, match=r"nothing.xml does not exist"):
        make_vec("HalfCheetah-v5", xml_file="./nothing.xml")
    with pytest.raises(ValueError, match=r"xml_file must be the path .* text of 19 characters:"):
        make_vec("HalfCheetah-v5", xml_file="<mujoco>\n</mujoco>\n")


@pytest.mark.parametrize(
    ("actions", "given"),
    [
        (np.zeros((2, 5), np.float32), "float32 [2, 5]"),
        (np.zeros((3, 6), np.float32), "float32 [3, 6]"),
        (np.zeros(12, np.float32), "float32 [12]"),
        (np.zeros((2, 5)), "float64 [2, 5]"),
        ([[0.0] * 6] * 3, "float64 [3, 6]"),
        ([0] * 12, "float64 [12]"),
    ],
)
def test_actions_of_another_shape_are_refused(env, actions, given):
    wanted = f"actions must be {given.split()[0]} [2, 6] C-contiguous"
    with pytest.raises(ValueError, match=f"^{re.escape(f'{wanted}, got {given}')}$"):
        env.step(actions)


@pytest.mark.parametrize(
    ("actions", "text"),
    [
        (0, "actions must be numbers [2, 6], got 0"),
        (None, "actions must be numbers [2, 6], got None"),
        (np.float32(1), "actions must be numbers [2, 6], got np.float32(1.0)"),
        (np.array(1.0), "actions must be numbers [2, 6], got array(1.)"),
        ([["left"] * 6] * 2, "actions must be float32, float64 or integers [2, 6], got <U4 [2, 6]"),
        (np.zeros((2, 6), complex), "float64 or integers [2, 6], got complex128 [2, 6]"),
        (np.zeros((2, 6), np.float16), "float64 or integers [2, 6], got float16 [2, 6]"),
        ([[None] * 6] * 2, "float64 or integers [2, 6], got object [2, 6]"),
    ],
)
def test_actions_that_are_no_array_of_numbers_raise_typeerror(env, actions, text):
    with pytest.raises(TypeError, match=re.escape(text)):
        env.step(actions)


def test_rows_of_different_lengths_are_refused(env):
    with pytest.raises(ValueError, match=r"actions must be numbers \[2, 6\], got rows that differ"):
        env.step([[0.0] * 6, [0.0] * 5])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_an_action_that_is_not_finite_is_named_and_nothing_moves(env, value, dtype):
    twin = NativeVectorEnv("HalfCheetah-v5", 2, num_threads=1)
    twin.reset(seed=0)
    actions = np.zeros((2, 6), dtype)
    actions[1, 4] = value
    with pytest.raises(ValueError, match=rf"actions\[1, 4\] must be finite, got {value}"):
        env.step(actions)
    actions[1, 4] = 0
    assert (env.step(actions)[0] == twin.step(actions)[0]).all()


def test_actions_of_any_strides_are_taken(env):
    twin = NativeVectorEnv("HalfCheetah-v5", 2, num_threads=1)
    twin.reset(seed=0)
    actions = env.action_space.sample()
    assert (env.step(np.asfortranarray(actions))[0] == twin.step(actions)[0]).all()


def test_a_step_before_the_reset_is_refused_with_the_simulation():
    env = NativeVectorEnv("HalfCheetah-v5", 3, num_threads=1)
    with pytest.raises(ResetNeeded, match="got none in 3 of 3, the first of them 0: reset them"):
        env.step(np.zeros((3, 6), np.float32))
    env.reset(options={"reset_mask": np.array([True, False, True])})
    with pytest.raises(ResetNeeded, match="got none in 1 of 3, the first of them 1: reset them"):
        env.step(np.zeros((3, 6), np.float32))


def test_with_autoreset_disabled_an_ended_episode_must_be_reset():
    mode = AutoresetMode.DISABLED
    env = NativeVectorEnv("HalfCheetah-v5", 2, autoreset_mode=mode, max_episode_steps=1)
    env.reset(seed=0)
    assert env.step(np.zeros((2, 6), np.float32))[3].all()
    with pytest.raises(ResetNeeded, match="got none in 2 of 2"):
        env.step(np.zeros((2, 6), np.float32))


@pytest.mark.parametrize(
    ("mask", "error"),
    [
        (np.array([True]), ValueError),
        (np.zeros(2, bool), ValueError),
        (np.array([1, 0]), TypeError),
        ([True, False], TypeError),
    ],
)
def test_a_reset_mask_that_is_none_is_refused_as_in_gymnasium(env, mask, error):
    theirs = gymnasium.make_vec("HalfCheetah-v5", 2)
    with pytest.raises(error):
        theirs.reset(options={"reset_mask": mask})
    with pytest.raises(error, match=r"reset_mask must be a bool array \[2\] with a True, got"):
        env.reset(options={"reset_mask": mask})


def test_bad_seeds_are_refused_before_anything_is_seeded(env):
    with pytest.raises(ValueError, match="seed must be a list of 2 seeds, got 3"):
        env.reset(seed=[1, 2, 3])
    with pytest.raises(Error, match="Seed must be greater or equal to zero, actual value: -1"):
        env.reset(seed=[5, -1])
    with pytest.raises(Error, match="Seed must be a python integer"):
        env.reset(seed=[5, "six"])
    with pytest.raises(TypeError, match="seed must be None, an integer or a list of 2 seeds, got"):
        env.reset(seed=1.5)
    assert env.np_random_seed == (0, 1)


def test_attributes_of_an_environment_that_is_not_there_are_refused_by_name(env):
    with pytest.raises(AttributeError, match="have no 'data'; they have action_space, dt, "):
        env.get_attr("data")
    with pytest.raises(AttributeError, match="have no 'set_state'"):
        env.call("set_state", np.zeros(9), np.zeros(9))
    with pytest.raises(AttributeError, match=r"'frame_skip' of simulations in C\+\+ cannot be set"):
        env.set_attr("frame_skip", 2)
    with pytest.raises(ValueError, match="render needs a render_mode"):
        env.render()


def test_a_state_of_another_size_or_simulation_is_refused(env):
    with pytest.raises(ValueError, match=r"qpos must be float64 \[9\] C-contiguous, got float64"):
        env.set_state(0, np.zeros(8), np.zeros(9))
    with pytest.raises(IndexError, match=r"sim must be in \[0, 2\), got 2"):
        env.set_state(2, np.zeros(9), np.zeros(9))


def test_after_close_it_says_so_and_may_be_closed_again(env):
    env.close()
    env.close()
    for call in (
        env.reset,
        lambda: env.step(np.zeros((2, 6), np.float32)),
        env.render,
        lambda: env.get_attr("dt"),
        lambda: env.call("render"),
        lambda: env.set_attr("dt", 1),
        lambda: env.np_random,
        lambda: env.np_random_seed,
        lambda: env.set_state(0, np.zeros(9), np.zeros(9)),
    ):
        with pytest.raises(ClosedEnvironmentError, match="the vector environment is closed"):
            call()


def test_an_error_of_the_physics_names_its_simulation_and_wants_a_reset(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assets = Path(gymnasium.__file__).parent / "envs/mujoco/assets"
    text = (assets / "half_cheetah.xml").read_text()
    # enough for a cheetah in the air, too little for one with its feet on the ground
    Path("cheetah.xml").write_text(text.replace("<compiler", '<size memory="8K"/><compiler', 1))
    env = NativeVectorEnv("HalfCheetah-v5", 2, num_threads=1, xml_file="./cheetah.xml")
    env.action_space.seed(0)
    env.reset(seed=0)
    with pytest.raises(SimulationError, match=r"simulation \d, episode step \d+: .*out of memory"):
        for _ in range(200):
            env.step(env.action_space.sample())
    with pytest.raises(ResetNeeded, match="got none in 2 of 2"):
        env.step(env.action_space.sample())
    env.reset()
    env.step(np.zeros((2, 6), np.float32))
