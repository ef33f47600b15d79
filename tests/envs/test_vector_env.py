"""The vector environment of a native task beside Gymnasium's SyncVectorEnv: the same bits."""

import gymnasium
import numpy as np
import pytest
import torch
from gymnasium.vector import AutoresetMode, SyncVectorEnv
from gymnasium.wrappers.vector import RecordEpisodeStatistics

import td7
from td7.envs import NativeVectorEnv, make_vec
from td7.extension import core

SAME_STEP, NEXT_STEP = AutoresetMode.SAME_STEP, AutoresetMode.NEXT_STEP
DISABLED = AutoresetMode.DISABLED
# both end of themselves, the second one with arrays among its infos
ENDING = ["Hopper-v5", "Humanoid-v5"]


@pytest.fixture(autouse=True)
def in_a_folder_of_its_own(tmp_path, monkeypatch):
    """Stay where MuJoCo may write its MUJOCO_LOG.TXT."""
    monkeypatch.chdir(tmp_path)


def gymnasiums(env_id, num_envs, mode=SAME_STEP, **kwargs):
    """Return Gymnasium's own vector environment."""
    makers = [lambda: gymnasium.make(env_id, **kwargs)] * num_envs
    return SyncVectorEnv(makers, autoreset_mode=mode)


def both(env_id, num_envs, mode=SAME_STEP, **kwargs):
    """Return the native vector environment and Gymnasium's."""
    native = NativeVectorEnv(env_id, num_envs, num_threads=2, autoreset_mode=mode, **kwargs)
    return native, gymnasiums(env_id, num_envs, mode, **kwargs)


def assert_same(ours, theirs, where=""):
    """Compare to the bit: types, dtypes, shapes, the order of keys, values."""
    assert type(ours) is type(theirs), where
    if isinstance(ours, dict):
        assert list(ours) == list(theirs), where
        for key, value in ours.items():
            assert_same(value, theirs[key], f"{where}[{key!r}]")
    elif isinstance(ours, tuple) or getattr(ours, "dtype", None) is np.dtype(object):
        assert len(ours) == len(theirs), where
        for i, (mine, other) in enumerate(zip(ours, theirs, strict=True)):
            assert_same(mine, other, f"{where}[{i}]")
    elif isinstance(ours, np.ndarray):
        assert (ours.dtype, ours.shape) == (theirs.dtype, theirs.shape), where
        assert ours.flags.c_contiguous and ours.flags.writeable, where
        assert ours.tobytes() == theirs.tobytes(), (where, ours, theirs)
    else:
        assert ours == theirs, where


def step_both(ours, theirs, steps, seed=0):
    """Step with the same random actions and compare; return how many episodes have ended."""
    ours.action_space.seed(seed)
    episodes = 0
    for step in range(steps):
        actions = ours.action_space.sample()
        mine, other = ours.step(actions), theirs.step(actions)
        assert_same(mine, other, f"step {step}: ")
        over = mine[2] | mine[3]
        episodes += over.sum()
        if ours.autoreset_mode is DISABLED and over.any():
            resets = [env.reset(options={"reset_mask": over.copy()}) for env in (ours, theirs)]
            assert_same(*resets, f"reset after step {step}: ")
    return episodes


@pytest.mark.parametrize("mode", AutoresetMode)
@pytest.mark.parametrize("env_id", core.task_ids())
def test_every_returned_value_is_that_of_sync_vector_env(env_id, mode):
    ours, theirs = both(env_id, 3, mode, max_episode_steps=13)
    assert_same(ours.reset(seed=5), theirs.reset(seed=5))
    assert step_both(ours, theirs, 45) >= 9


@pytest.mark.parametrize("mode", AutoresetMode)
@pytest.mark.parametrize("env_id", ENDING)
def test_episodes_that_end_at_different_times_are_those_of_sync_vector_env(env_id, mode):
    ours, theirs = both(env_id, 4, mode)
    assert_same(ours.reset(seed=1), theirs.reset(seed=1))
    assert step_both(ours, theirs, 120) > 8


def test_an_episode_may_end_in_the_first_simulation_alone_or_in_all_at_once():
    ours, theirs = both("InvertedPendulum-v5", 2, max_episode_steps=6)
    first = np.array([True, False])
    for env in (ours, theirs):
        env.reset(seed=0)
        env.step(np.zeros((2, 1), np.float32))
    # the order of the keys follows the first simulation
    for mask in (~first, first):
        assert_same(*(env.reset(options={"reset_mask": mask.copy()}) for env in (ours, theirs)))
        assert step_both(ours, theirs, 8) > 0
    assert_same(ours.reset(seed=0), theirs.reset(seed=0))
    assert step_both(ours, theirs, 6) >= 2


def test_the_arguments_of_a_task_are_those_of_gymnasium():
    changes = {
        "Ant-v5": {"include_cfrc_ext_in_observation": False, "healthy_reward": 2, "frame_skip": 2},
        "HalfCheetah-v5": {"exclude_current_positions_from_observation": False},
        "Humanoid-v5": {"contact_cost_range": (0, 3.0), "max_episode_steps": 7, "width": 64},
    }
    for env_id, kwargs in changes.items():
        ours, theirs = both(env_id, 2, **kwargs)
        assert_same(ours.reset(seed=5), theirs.reset(seed=5))
        step_both(ours, theirs, 20)
        assert_describes_itself_alike(ours, theirs)


def assert_describes_itself_alike(ours, theirs):
    for space in ("observation_space", "action_space"):
        for name in (space, f"single_{space}"):
            assert getattr(ours, name) == getattr(theirs, name)
            assert getattr(ours, name).dtype == getattr(theirs, name).dtype
    assert ours.num_envs == theirs.num_envs
    assert ours.metadata == theirs.metadata
    assert ours.render_mode == theirs.render_mode
    names = ["spec", "dt", "frame_skip", "render_mode", "metadata", "action_space"]
    for name in [*names, "observation_space", "np_random_seed"]:
        assert ours.get_attr(name) == theirs.get_attr(name), name


@pytest.mark.parametrize("mode", AutoresetMode)
def test_it_describes_itself_as_sync_vector_env_does(mode):
    ours, theirs = both("Walker2d-v5", 3, mode, max_episode_steps=5)
    ours.reset(seed=4), theirs.reset(seed=4)
    assert_describes_itself_alike(ours, theirs)
    assert repr(ours) == "NativeVectorEnv(Walker2d-v5, num_envs=3)"
    again = gymnasium.make_vec(ours.spec)
    assert isinstance(again, SyncVectorEnv) and again.num_envs == 3
    assert again.autoreset_mode is mode
    assert again.envs[0].spec.max_episode_steps == ours.spec.max_episode_steps == 5


def test_seeds_come_one_by_one_in_a_list_or_from_one_number_on():
    ours, theirs = both("HalfCheetah-v5", 3)
    for seed in (7, [3, 1, 2], [None, 9, None], None, [4, None, None]):
        assert_same(ours.reset(seed=seed), theirs.reset(seed=seed), str(seed))
        assert_same(ours.np_random_seed, theirs.np_random_seed)
        states = [[each.bit_generator.state for each in env.np_random] for env in (ours, theirs)]
        assert states[0] == states[1]
        step_both(ours, theirs, 2)


def test_without_a_seed_the_first_reset_is_of_fresh_entropy_and_the_next_go_on():
    ours, other = (NativeVectorEnv("Hopper-v5", 2, num_threads=1) for _ in range(2))
    first, another = ours.reset()[0], other.reset()[0]
    assert len({row.tobytes() for row in [*first, *another]}) == 4
    second = ours.reset()[0]
    assert_same(other.reset(seed=list(ours.np_random_seed))[0], first)
    assert_same(other.reset()[0], second)


@pytest.mark.parametrize(
    ("seed", "twins"),
    [
        (np.int64(7), 7),
        (np.uint8(7), 7),
        (np.array([3, 1]), [3, 1]),
        ((np.int32(3), None), [3, None]),
    ],
)
def test_seeds_of_numpy_are_those_of_python(seed, twins):
    ours, twin = (NativeVectorEnv("Hopper-v5", 2, num_threads=1) for _ in range(2))
    ours.reset(seed=1), twin.reset(seed=1)
    assert_same(ours.reset(seed=seed), twin.reset(seed=twins))
    assert_same(ours.np_random_seed, twin.np_random_seed)


def float32_rows(actions):
    return list(actions.astype(np.float32))


def integers(actions):
    return np.rint(actions).astype(np.int64).tolist()


@pytest.mark.parametrize("convert", [np.float64, np.ndarray.tolist, float32_rows, integers])
@pytest.mark.parametrize("env_id", core.task_ids())
def test_lists_and_float64_actions_give_gymnasiums_own_result(env_id, convert):
    ours, theirs = both(env_id, 3, max_episode_steps=4)
    assert_same(ours.reset(seed=5), theirs.reset(seed=5))
    random = np.random.default_rng(0)
    for step in range(9):
        actions = convert(random.uniform(-1, 1, ours.action_space.shape))
        mine, other = ours.step(actions), theirs.step(actions)
        # of integers Gymnasium's infos are integers in part
        compared = 4 if convert is integers else 5
        assert_same(mine[:compared], other[:compared], f"step {step}: ")


def test_drawing_from_a_copied_generator_changes_no_simulation():
    ours, theirs = both("Hopper-v5", 2)
    ours.reset(seed=3), theirs.reset(seed=3)
    ours.np_random[0].normal(size=5)
    assert_same(ours.reset(), theirs.reset())


def test_a_reset_mask_resets_and_seeds_the_chosen_alone_and_stays_in_the_options():
    ours, theirs = both("Ant-v5", 4)
    ours.reset(seed=0), theirs.reset(seed=0)
    step_both(ours, theirs, 3)
    mask = np.array([False, True, False, True])
    options = {"reset_mask": mask, "unknown": 1}
    pair = [env.reset(seed=20, options=dict(options)) for env in (ours, theirs)]
    assert_same(*pair)
    assert_same(ours.np_random_seed, theirs.np_random_seed)
    step_both(ours, theirs, 3)
    ours.reset(options=options)
    assert options["reset_mask"] is mask


@pytest.mark.parametrize("mask", [None, np.array([False, True, False])])
def test_an_episode_that_was_reset_after_its_end_is_not_reset_again_by_the_next_step(mask):
    ours, theirs = both("Hopper-v5", 3, NEXT_STEP, max_episode_steps=4)
    ours.reset(seed=0), theirs.reset(seed=0)
    assert step_both(ours, theirs, 4) == 3
    pair = [
        env.reset(options={"reset_mask": mask} if mask is not None else None)
        for env in (ours, theirs)
    ]
    assert_same(*pair)
    assert step_both(ours, theirs, 9) > 3


@pytest.mark.parametrize("num_threads", [1, 7])
def test_the_number_of_threads_changes_nothing(num_threads):
    one, other = (NativeVectorEnv("Hopper-v5", 5, num_threads=each) for each in (2, num_threads))
    assert_same(one.reset(seed=2), other.reset(seed=2))
    assert step_both(one, other, 100) > 5


def test_a_step_on_the_callers_thread_neither_uses_nor_changes_its_rounding():
    one, other = (NativeVectorEnv("HalfCheetah-v5", 1) for _ in range(2))
    assert_same(one.reset(seed=2), other.reset(seed=2))
    qvel = np.full(9, 1e-310)  # flushed to zero if the caller's rounding were used
    actions = np.full((1, 6), 1e-40, np.float32)
    results = []
    for env, flush in ((one, False), (other, True)):
        env.set_state(0, np.zeros(9), qvel)
        torch.set_flush_denormal(flush)
        results.append(env.step(actions))
        flushes = bool((torch.tensor([1e-310], dtype=torch.float64) * 0.5 == 0).all())
        torch.set_flush_denormal(False)
        assert flushes is flush
    assert_same(*results)


def test_what_was_returned_stays_as_it_was_and_may_be_written_to():
    ours, theirs = both("Humanoid-v5", 2, max_episode_steps=2)
    kept = [(ours.reset(seed=0), theirs.reset(seed=0))]
    for _ in range(4):
        actions = ours.action_space.sample()
        kept.append((ours.step(actions), theirs.step(actions)))
    for mine, other in kept:
        assert_same(mine, other)
        mine[0][:] = 7
    assert step_both(ours, theirs, 3) > 0


def test_without_copies_one_array_of_observations_is_written_anew():
    env = NativeVectorEnv("Hopper-v5", 2, num_threads=1, copy=False)
    first = env.reset(seed=0)[0]
    before = first.copy()
    assert env.step(np.zeros((2, 3), np.float32))[0] is first
    assert (before != first).any()


def test_a_diverged_state_is_counted_in_its_step_alone_and_else_as_in_gymnasium():
    ours, theirs = both("HalfCheetah-v5", 3)
    ours.reset(seed=0), theirs.reset(seed=0)
    qpos, qvel = np.zeros(9), np.full(9, 1e12)
    ours.set_state(1, qpos, qvel)
    theirs.envs[1].unwrapped.set_state(qpos, qvel)
    actions = np.zeros((3, 6), np.float32)
    mine, other = ours.step(actions), theirs.step(actions)
    diverged, mask = mine[4].pop("diverged"), mine[4].pop("_diverged")
    assert diverged[1] >= 1 and diverged.sum() == diverged[1]
    assert mask.tolist() == [False, True, False]
    assert_same(mine, other)
    step_both(ours, theirs, 3)


def test_record_episode_statistics_reads_it():
    ours, theirs = (RecordEpisodeStatistics(env) for env in both("Hopper-v5", 3))
    ours.reset(seed=0), theirs.reset(seed=0)
    ours.action_space.seed(0)
    for _ in range(80):
        actions = ours.action_space.sample()
        results = ours.step(actions), theirs.step(actions)
        if "episode" in results[1][4]:
            for infos in (results[0][4], results[1][4]):
                del infos["episode"]["t"]
        assert_same(*results)
    assert list(ours.return_queue) == list(theirs.return_queue)
    assert len(ours.return_queue) > 3


def test_make_vec_finds_the_vector_environment_of_an_id():
    native = td7.make_vec("Hopper-v5", 2, 1)
    assert isinstance(native, NativeVectorEnv) and native.autoreset_mode is SAME_STEP
    other = make_vec("CartPole-v1", 2, autoreset_mode="NextStep", max_episode_steps=3)
    assert isinstance(other, SyncVectorEnv) and other.autoreset_mode is NEXT_STEP
    assert other.envs[0].spec.max_episode_steps == 3
    assert make_vec("Toy/Point-v0").num_envs == 1
    unlimited = make_vec("InvertedPendulum-v5", max_episode_steps=-1)
    assert unlimited.spec.max_episode_steps is None


def test_rebinding_a_native_id_leaves_the_native_task(monkeypatch):
    monkeypatch.setattr(gymnasium.registry["Hopper-v5"], "entry_point", "toy_envs:Point")
    assert isinstance(make_vec("Hopper-v5", max_episode_steps=4), SyncVectorEnv)
    with pytest.raises(ValueError, match="must be a task in C"):
        NativeVectorEnv("Hopper-v5")
