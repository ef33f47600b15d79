"""TaskVectorEnv beside Gymnasium's SyncVectorEnv of the twin: equal to the bit."""

import gymnasium
import mujoco
import numpy as np
import pytest
import task_twin
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
    ("options", "text"),
    [
        ({"reset_mask": np.zeros(2, bool)}, "reset_mask must be a bool array [2] with a True"),
        ({"reset_mask": np.ones(3, bool)}, "reset_mask must be a bool array [2]"),
        ({"reset_mask": [True, False]}, "reset_mask must be a bool array [2]"),
    ],
)
def test_bad_options_are_refused(options, text):
    with pytest.raises(ValueError) as caught:
        TaskVectorEnv(task_twin.Crawler, 2).reset(options=options)
    assert text in str(caught.value)


def test_bad_arguments_are_refused():
    env = TaskVectorEnv(task_twin.Crawler, 2)
    with pytest.raises(ValueError, match=r"seed must be 2 seeds, got 3"):
        env.reset(seed=[1, 2, 3])
    with pytest.raises(RuntimeError, match="Crawler: simulation 0 must be reset before a step"):
        env.step(np.zeros((2, 2), np.float32))
    env.reset(seed=0)
    with pytest.raises(ValueError, match=r"actions must be \[2, 2\], got \[2\]"):
        env.step(np.zeros(2, np.float32))
    with pytest.raises(ValueError, match="render_mode must be None or 'rgb_array', got 'human'"):
        TaskVectorEnv(task_twin.Crawler, 2, render_mode="human")


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


def test_a_picture_shows_the_simulation_asked_for():
    env = TaskVectorEnv(task_twin.Crawler, 2, render_mode="rgb_array")
    env.reset(seed=0)
    try:
        mujoco.Renderer(mujoco.MjModel.from_xml_string("<mujoco/>")).close()
    except Exception as error:
        pytest.skip(f"OpenGL cannot draw here ({type(error).__name__}); MUJOCO_GL=egl may help")
    env.simulations.task.qpos[1, 2] = 0.3
    env.simulations.task.data("qpos")[1, 1] = 1.0
    env.step(np.zeros((2, 2), np.float32))
    pictures = env.render()
    assert [picture.shape for picture in pictures] == [(480, 640, 3)] * 2
    assert (pictures[0] != pictures[1]).any()
    np.testing.assert_array_equal(pictures[0], env.render_simulation(0))
    env.close()
