"""TaskVectorEnv beside Gymnasium's SyncVectorEnv of the twin: equal to the bit."""

import gymnasium
import mujoco
import numpy as np
import pytest
import task_twin
from gymnasium.error import ClosedEnvironmentError
from gymnasium.vector import AutoresetMode, SyncVectorEnv

from td7.envs.task.vector_env import TaskVectorEnv


def both(mode, num_envs=5, **kwargs):
    return (
        TaskVectorEnv(task_twin.Crawler, num_envs, autoreset_mode=mode, **kwargs),
        SyncVectorEnv([task_twin.twin] * num_envs, autoreset_mode=mode),
    )


def assert_same(got, want):
    """Compare what reset or step returned, infos and all, to the bit."""
    *got, got_infos = got
    *want, want_infos = want
    for ours, theirs in zip(got, want, strict=True):
        assert ours.dtype == theirs.dtype
        np.testing.assert_array_equal(ours, theirs)
    assert got_infos.keys() == want_infos.keys()
    for key in want_infos:
        if key == "final_obs":
            for ours, theirs in zip(got_infos[key], want_infos[key], strict=True):
                np.testing.assert_array_equal(ours, theirs)
        else:
            np.testing.assert_array_equal(got_infos[key], want_infos[key])


@pytest.mark.parametrize("mode", [AutoresetMode.SAME_STEP, AutoresetMode.NEXT_STEP])
def test_a_task_equals_its_twin_over_many_episodes(mode):
    env, sync = both(mode, num_threads=2)
    assert env.observation_space == sync.observation_space
    assert env.action_space == sync.action_space
    assert env.metadata["autoreset_mode"] == sync.metadata["autoreset_mode"]
    assert_same(env.reset(seed=3), sync.reset(seed=3))
    ends = np.zeros(2, int)
    env.action_space.seed(0)
    for _ in range(300):
        actions = 1.5 * env.action_space.sample()  # beyond the bounds at times
        got = env.step(actions)
        assert_same(got, sync.step(actions))
        ends += got[2].sum(), got[3].sum()
    assert ends.min() > 5  # episodes of both kinds of end
    assert_same(env.reset(seed=[7, None, 8, None, 9]), sync.reset(seed=[7, None, 8, None, 9]))
    assert_same(env.reset(), sync.reset())
    env.close()


def test_a_reset_mask_resets_those_alone_as_in_gymnasium():
    env, sync = both(AutoresetMode.DISABLED)
    assert_same(env.reset(seed=0), sync.reset(seed=0))
    env.action_space.seed(1)
    for _ in range(90):
        actions = env.action_space.sample()
        got = env.step(actions)
        assert_same(got, sync.step(actions))
        if (over := got[2] | got[3]).any():
            options = {"reset_mask": over}
            assert_same(env.reset(options=options), sync.reset(options=dict(options)))
            assert "reset_mask" in options


def test_what_is_returned_is_a_copy():
    env = TaskVectorEnv(task_twin.Crawler, 2)
    first, _ = env.reset(seed=0)
    kept = first.copy()
    obs, rewards, *_ = env.step(np.zeros((2, 2), np.float32))
    obs[:], rewards[:] = 7, 7
    np.testing.assert_array_equal(first, kept)
    again, *_ = env.step(np.zeros((2, 2), np.float32))
    assert (again != 7).all()


@pytest.mark.parametrize(
    ("mask", "error"),
    [
        (np.zeros(2, bool), ValueError),
        (np.ones(3, bool), ValueError),
        ([True, False], TypeError),
        (np.array([1, 0]), TypeError),
    ],
)
def test_a_bad_reset_mask_is_refused_as_in_gymnasium(mask, error):
    with pytest.raises(error):
        SyncVectorEnv([task_twin.twin] * 2).reset(options={"reset_mask": mask})
    with pytest.raises(error, match=r"reset_mask must be a bool array \[2\] with a True, got"):
        TaskVectorEnv(task_twin.Crawler, 2).reset(options={"reset_mask": mask})


def test_bad_arguments_are_refused():
    env = TaskVectorEnv(task_twin.Crawler, 2)
    with pytest.raises(ValueError, match=r"seed must be a list of 2 seeds, got 3"):
        env.reset(seed=[1, 2, 3])
    with pytest.raises(RuntimeError, match="Crawler: simulation 0 must be reset before a step"):
        env.step(np.zeros((2, 2), np.float32))
    env.reset(seed=0)
    with pytest.raises(ValueError, match=r"actions must be \[2, 2\], got \[2\]"):
        env.step(np.zeros(2, np.float32))
    with pytest.raises(TypeError, match=r"actions must be numbers \[2, 2\], got 0"):
        env.step(0)
    modes = "None or 'rgb_array' or 'rgb_array_list', got 'human'"
    with pytest.raises(ValueError, match=f"render_mode must be {modes}"):
        TaskVectorEnv(task_twin.Crawler, 2, render_mode="human")


@pytest.mark.parametrize("convert", [np.float64, np.ndarray.tolist, list, np.int64])
def test_lists_and_actions_of_other_dtypes_give_the_twins_result(convert):
    env, sync = both(AutoresetMode.SAME_STEP)
    assert_same(env.reset(seed=np.int64(3)), sync.reset(seed=3))
    random = np.random.default_rng(0)
    for _ in range(30):
        actions = convert(random.uniform(-1.5, 1.5, (5, 2)))
        assert_same(env.step(actions), sync.step(actions))


def test_seeds_and_generators_are_the_twins():
    env, sync = both(AutoresetMode.SAME_STEP)
    assert len(set(env.np_random_seed)) == 5
    for seed in (7, [3, 1, None, 2, None], None):
        env.reset(seed=seed), sync.reset(seed=seed)
        if seed is not None:
            assert env.np_random_seed == sync.np_random_seed == env.get_attr("np_random_seed")
        states = [[each.bit_generator.state for each in both.np_random] for both in (env, sync)]
        assert states[0] == states[1]
    env.np_random[0].normal(size=5)
    assert_same(env.reset(), sync.reset())
    first = TaskVectorEnv(task_twin.Crawler, 5)
    obs, _ = first.reset()
    np.testing.assert_array_equal(env.reset(seed=list(first.np_random_seed))[0], obs)


def test_restored_generators_have_the_seed_that_gymnasium_gives_to_an_unknown_one():
    env, other = (TaskVectorEnv(task_twin.Crawler, 2) for _ in range(2))
    env.reset(seed=3)
    other.simulations.restore_generators(env.simulations.generator_states())
    assert other.np_random_seed == (-1, -1)
    np.testing.assert_array_equal(other.reset()[0], env.reset()[0])


def test_attributes_are_had_by_name_as_in_gymnasium():
    env, sync = both(AutoresetMode.SAME_STEP)
    for name in ("action_space", "observation_space", "spec"):
        assert env.get_attr(name) == sync.get_attr(name) == env.call(name)
    assert env.get_attr("max_episode_steps") == (40,) * 5
    assert env.get_attr("dt") == (env.simulations.task.dt,) * 5
    with pytest.raises(AttributeError, match="Crawler has no 'legs'; its simulations have action_"):
        env.get_attr("legs")
    with pytest.raises(AttributeError, match="'reward' is for all simulations at once"):
        env.call("reward", np.zeros((5, 2)))


def test_an_attribute_of_the_task_is_set_for_all_simulations():
    env = TaskVectorEnv(task_twin.Crawler, 2)
    task = env.simulations.task
    task.weight = 1.0
    env.set_attr("weight", 2.0)
    assert task.weight == 2.0 and env.get_attr("weight") == (2.0, 2.0)
    env.set_attr("weight", [3.0] * 2)
    assert task.weight == 3.0
    with pytest.raises(ValueError, match="values must be one value or 2 times the same"):
        env.set_attr("weight", [3.0, 4.0])
    for name in ("frame_skip", "reward", "legs", "_batch"):
        with pytest.raises(AttributeError, match=f"'{name}' cannot be set: "):
            env.set_attr(name, 2)


def test_after_close_every_call_raises_gymnasiums_error():
    env = TaskVectorEnv(task_twin.Crawler, 2, render_mode="rgb_array")
    env.close()
    env.close()
    for call in (
        env.reset,
        lambda: env.step(np.zeros((2, 2), np.float32)),
        env.render,
        lambda: env.render_simulation(0),
        lambda: env.get_attr("dt"),
        lambda: env.call("render"),
        lambda: env.set_attr("obs_names", ()),
        lambda: env.np_random,
        lambda: env.np_random_seed,
    ):
        with pytest.raises(ClosedEnvironmentError, match="the vector environment is closed"):
            call()


def test_the_end_of_a_with_block_closes_it_and_len_is_the_number_of_simulations():
    with TaskVectorEnv(task_twin.Crawler, 3) as env:
        assert len(env) == 3 and not env.closed
    assert env.closed


def test_wrappers_of_gymnasium_work_on_it():
    env = gymnasium.wrappers.vector.RecordEpisodeStatistics(TaskVectorEnv(task_twin.Crawler, 3))
    env.reset(seed=0)
    total = np.zeros(3)
    for _ in range(40):
        _, rewards, terminated, truncated, infos = env.step(np.zeros((3, 2), np.float32))
        total += rewards
        if (terminated | truncated)[0]:
            assert infos["episode"]["r"][0] == pytest.approx(total[0])
            return
    pytest.fail("no episode ended")


def skip_without_opengl():
    try:
        mujoco.Renderer(mujoco.MjModel.from_xml_string("<mujoco/>")).close()
    except Exception as error:
        pytest.skip(f"OpenGL cannot draw here ({type(error).__name__}); MUJOCO_GL=egl may help")


def test_a_picture_shows_the_simulation_asked_for():
    env = TaskVectorEnv(task_twin.Crawler, 2, render_mode="rgb_array")
    env.reset(seed=0)
    skip_without_opengl()
    env.simulations.task.qpos[1, 2] = 0.3
    env.simulations.task.data("qpos")[1, 1] = 1.0
    env.step(np.zeros((2, 2), np.float32))
    pictures = env.render()
    assert [picture.shape for picture in pictures] == [(480, 640, 3)] * 2
    assert (pictures[0] != pictures[1]).any()
    np.testing.assert_array_equal(pictures[0], env.render_simulation(0))
    env.close()


def test_a_list_mode_returns_the_pictures_since_the_last_reset_or_render():
    skip_without_opengl()
    env = TaskVectorEnv(task_twin.Crawler, 2, render_mode="rgb_array_list")
    assert env.metadata["render_modes"] == ["rgb_array", "rgb_array_list"]
    assert env.get_attr("render_mode") == ("rgb_array_list",) * 2
    env.reset(seed=0)
    env.step(np.zeros((2, 2), np.float32))
    pictures = env.render()
    assert [len(each) for each in pictures] == [2, 2]
    np.testing.assert_array_equal(pictures[0][1], env.render_simulation(0))
    assert env.render() == ([], [])
    env.reset(options={"reset_mask": np.array([False, True])})
    env.step(np.zeros((2, 2), np.float32))
    assert [len(each) for each in env.call("render")] == [1, 2]
    env.close()
