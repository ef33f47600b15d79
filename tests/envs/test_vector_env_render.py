"""Frames of a native task beside those of Gymnasium's own environments."""

import gymnasium
import mujoco
import numpy as np
import pytest
from gymnasium.vector import AutoresetMode

import td7
from td7.envs import NativeVectorEnv


@pytest.fixture(autouse=True)
def gl(monkeypatch, tmp_path):
    """Skip where nothing can be drawn."""
    monkeypatch.chdir(tmp_path)  # where MuJoCo may write its MUJOCO_LOG.TXT
    try:
        env = gymnasium.make("Hopper-v5", render_mode="rgb_array", width=8, height=8)
        env.reset()
        env.render()
        env.close()
    except Exception as error:
        pytest.skip(f"OpenGL cannot draw here: {error}")


def both(env_id, num_envs, **kwargs):
    """Return native simulations and Gymnasium's environments, reset alike."""
    kwargs = {"render_mode": "rgb_array", "width": 96, "height": 64, **kwargs}
    ours = NativeVectorEnv(env_id, num_envs, num_threads=1, **kwargs)
    theirs = [gymnasium.make(env_id, **kwargs) for _ in range(num_envs)]
    ours.reset(seed=3)
    for i, env in enumerate(theirs):
        env.reset(seed=3 + i)
    return ours, theirs


def step_all(ours, theirs, steps):
    ours.action_space.seed(0)
    for _ in range(steps):
        actions = ours.action_space.sample()
        ours.step(actions)
        for env, action in zip(theirs, actions, strict=True):
            env.step(action)
    for env in theirs:  # Gymnasium leaves the bodies where they were before the last substep
        mujoco.mj_forward(env.unwrapped.model, env.unwrapped.data)


@pytest.mark.parametrize("env_id", ["HalfCheetah-v5", "Hopper-v5", "Pusher-v5"])
def test_a_frame_is_that_of_gymnasium(env_id):
    ours, theirs = both(env_id, 2)
    frames = ours.render()
    assert isinstance(frames, tuple) and len(frames) == 2
    for frame, env in zip(frames, theirs, strict=True):
        assert frame.dtype == np.uint8 and frame.shape == (64, 96, 3)
        assert frame.std() > 5  # no black picture
        assert (frame == env.render()).all()
    step_all(ours, theirs, 25)
    later = ours.call("render")
    for before, frame, env in zip(frames, later, theirs, strict=True):
        assert (frame == env.render()).all()
        assert (frame != before).any()
    ours.close()


def test_the_camera_of_a_simulation_stays_where_its_first_frame_put_it():
    ours, theirs = both("HalfCheetah-v5", 2)
    assert (ours.render(0) == theirs[0].render()).all()
    step_all(ours, theirs, 40)
    assert (ours.render(1) == theirs[1].render()).all()
    assert (ours.render(0) == theirs[0].render()).all()


def test_depth_comes_as_from_gymnasium():
    ours, theirs = both("Hopper-v5", 1, render_mode="depth_array")
    assert ours.render(0).dtype == np.float32
    assert (ours.render(0) == theirs[0].render()).all()


@pytest.mark.parametrize("mode", AutoresetMode)
def test_a_list_mode_returns_the_frames_since_the_last_reset_or_render(mode):
    kwargs = {"width": 48, "height": 32, "max_episode_steps": 4}
    ours, theirs = (
        make("Hopper-v5", 2, render_mode="rgb_array_list", **kwargs)
        for make in (
            lambda *args, **options: td7.make_vec(*args, autoreset_mode=mode, **options),
            lambda *args, **options: gymnasium.make_vec(
                *args, vector_kwargs={"autoreset_mode": mode}, **options
            ),
        )
    )
    assert isinstance(ours, NativeVectorEnv)
    assert ours.render_mode == theirs.render_mode == "rgb_array_list"
    assert ours.metadata == theirs.metadata
    ours.reset(seed=0), theirs.reset(seed=0)
    mask = np.array([True, False])
    for step in range(11):
        actions = ours.action_space.sample()
        over = ours.step(actions)[3]
        theirs.step(actions)
        if step in (1, 4, 7, 9):
            mine, other = ours.render(), theirs.render()
            assert isinstance(mine, tuple) and all(isinstance(frames, list) for frames in mine)
            assert [len(frames) for frames in mine] == [len(frames) for frames in other]
            assert all(frame.shape == (32, 48, 3) for frames in mine for frame in frames)
        if mode is AutoresetMode.DISABLED and over.any():
            for env in (ours, theirs):
                env.reset(options={"reset_mask": over.copy()})
        if step == 5:
            for env in (ours, theirs):
                env.reset(options={"reset_mask": mask.copy()})
    ours.reset(seed=3), theirs.reset(seed=3)
    assert (ours.render(1)[0] == theirs.render()[1][0]).all()
    assert [len(frames) for frames in ours.render()] == [1, 0]


def test_drawing_changes_no_simulation():
    drawn, other = (both("HalfCheetah-v5", 2)[0] for _ in range(2))
    for _ in range(5):
        actions = drawn.action_space.sample()
        assert (drawn.step(actions)[0] == other.step(actions)[0]).all()
        drawn.render()


@pytest.mark.parametrize("render_mode", ["rgb_array", "rgb_array_list"])
def test_a_simulation_that_is_not_there_is_refused(render_mode):
    ours, _ = both("Hopper-v5", 2, render_mode=render_mode)
    with pytest.raises(IndexError, match=r"sim must be in \[0, 2\), got 2"):
        ours.render(2)
