"""Simulations of a Task: threads, subsets, seeds, randomised models and delayed actions."""

import json

import mujoco
import numpy as np
import pytest
import task_twin

from td7.envs.task import Task
from td7.envs.task.simulations import TaskSimulations

N = 6
ALL = np.arange(N)


class Quiet(task_twin.Crawler):
    """Never terminates: the subsets of these tests are stepped at will."""

    max_episode_steps = 1000

    def terminated(self):
        return np.zeros(self.num_sims, bool)


def actions(step, num_sims=N):
    return np.random.default_rng(step).uniform(-1, 1, (num_sims, 2)).astype(np.float32)


def trace(sims, steps, seeds=range(N)):
    """Return observations [steps + 1, N, S] and rewards [steps, N] of all simulations."""
    obs, rewards = [sims.reset(ALL, seeds)], []
    for step in range(steps):
        next_obs, reward, *_ = sims.step(ALL, actions(step))
        obs.append(next_obs)
        rewards.append(reward)
    return np.array(obs), np.array(rewards)


@pytest.fixture(scope="module")
def whole():
    """All simulations stepped together on one thread, for 60 steps."""
    return trace(TaskSimulations(Quiet, N), 60)


@pytest.mark.parametrize("num_threads", [2, 3])
def test_threads_do_not_change_a_bit(whole, num_threads):
    for got, want in zip(trace(TaskSimulations(Quiet, N, num_threads), 60), whole, strict=True):
        np.testing.assert_array_equal(got, want)


def test_stepping_subsets_in_any_order_equals_stepping_all(whole):
    obs, rewards = whole
    sims, steps = TaskSimulations(Quiet, N, 2), np.zeros(N, int)
    choose = np.random.default_rng(0)
    for sim in choose.permutation(N):  # one by one: what is drawn does not depend on the others
        np.testing.assert_array_equal(sims.reset([sim], [int(sim)])[0], obs[0, sim])
    while steps.min() < 25:
        subset = choose.permutation(N)[: choose.integers(0, N + 1)]
        subset = subset[steps[subset] < 60]
        given = np.array([actions(steps[sim])[sim] for sim in subset]).reshape(-1, 2)
        next_obs, reward, terminated, truncated = sims.step(subset, given.astype(np.float32))
        assert terminated.shape == truncated.shape == subset.shape
        np.testing.assert_array_equal(reward, rewards[steps[subset], subset])
        steps[subset] += 1
        np.testing.assert_array_equal(next_obs, obs[steps[subset], subset])


def test_a_simulation_does_not_depend_on_how_many_there_are(whole):
    alone = TaskSimulations(Quiet, 1)
    np.testing.assert_array_equal(alone.reset([0], [4])[0], whole[0][0, 4])
    for step in range(20):
        obs, reward, *_ = alone.step([0], actions(step)[4:5])
        assert reward[0] == whole[1][step, 4]
        np.testing.assert_array_equal(obs[0], whole[0][step + 1, 4])


def test_without_a_seed_the_stream_goes_on_and_can_be_restored():
    sims = TaskSimulations(Quiet, N)
    first = sims.reset(ALL, range(N))
    states = json.loads(json.dumps(sims.generator_states()))
    second = sims.reset(ALL)
    assert (first != second).any(axis=1).all()
    other = TaskSimulations(Quiet, N)
    other.restore_generators(states)
    np.testing.assert_array_equal(other.reset([5, 2]), second[[5, 2]])
    np.testing.assert_array_equal(sims.reset(ALL, range(N)), first)
    mixed = sims.reset(ALL, [0, None, 2, None, 4, None])
    np.testing.assert_array_equal(mixed[::2], first[::2])
    assert (mixed[1::2] != first[1::2]).any(axis=1).all()


def test_unseeded_simulations_differ():
    obs = TaskSimulations(Quiet, N).reset(ALL)
    assert len(np.unique(obs, axis=0)) == N


def test_each_episode_has_a_model_of_its_own_drawn_around_the_mjcf_values():
    sims = TaskSimulations(Quiet, 200)
    own = sims.task.mj_model.body_mass
    mass = sims.task.model_field("body_mass")
    subtree = sims.task.data("subtree_com")  # computed from the masses
    for episode in range(20):  # factors do not pile up over episodes
        sims.reset(np.arange(200), range(1000 * episode, 1000 * episode + 200))
    ratio = (mass / np.where(own == 0, 1, own))[:, 1:]
    assert (ratio >= 0.7).all() and (ratio <= 1.3).all()
    assert ratio.min() < 0.72 and ratio.max() > 1.28
    assert len(np.unique(ratio[:, 0])) == 200
    assert len(np.unique(subtree[:, 1, 0])) == 200
    total = sims.simulation(7)[0].body_subtreemass[0]  # a constant that follows from masses
    assert total == pytest.approx(mass[7].sum())
    before = mass.copy()
    sims.reset([3])
    assert (mass[3, 1:] != before[3, 1:]).all()
    np.testing.assert_array_equal(np.delete(mass, 3, 0), np.delete(before, 3, 0))


SLIDER = """<mujoco><option gravity="0 0 0"/><worldbody><body><joint name="x" type="slide"/>
<geom size="0.1"/></body></worldbody>
<actuator><motor name="pusher" joint="x" ctrlrange="-2 3"/></actuator></mujoco>"""


class Slider(Task):
    """Observes its own controls: the simplest of tasks."""

    model = mujoco.MjModel.from_xml_string(SLIDER)
    frame_skip = 2
    max_episode_steps = 12
    action_delay = (0, 3)

    def reset(self, sims, random):
        self.data("ctrl")[sims] = -1.0

    def observe(self):
        return self.data("ctrl")

    def reward(self, action):
        return action[:, 0]


def test_an_action_reaches_the_motors_after_the_delay_and_not_before():
    sims = TaskSimulations(Slider, 40)
    everyone = np.arange(40)
    assert (sims.reset(everyone, range(40)) == -1).all()
    # the delay is the first thing that a reset draws
    delays = np.array([np.random.default_rng(seed).integers(0, 4) for seed in range(40)])
    assert set(delays) == {0, 1, 2, 3}
    given = np.linspace(-2, 3, 12, dtype=np.float32)
    for step, action in enumerate(given):
        obs, reward, _, truncated = sims.step(everyone, np.full((40, 1), action))
        sent = step - delays
        np.testing.assert_array_equal(obs[:, 0], np.where(sent < 0, -1, given[sent]))
        assert (reward == action).all()  # the action given, not the one that has arrived
        assert (truncated == (step == 11)).all()
    # nothing of the last episode is still under way
    assert (sims.reset(everyone) == -1).all()
    obs, *_ = sims.step(everyone, np.full((40, 1), 0.5, np.float32))
    assert set(obs[:, 0]) == {-1.0, 0.5}


def test_actions_beyond_the_range_are_clipped_to_it():
    sims = TaskSimulations(Slider, 2)
    sims.task.action_delay = (0, 0)
    sims.reset([0, 1])
    _, reward, *_ = sims.step([0, 1], np.array([[-9], [9]], np.float32))
    assert reward.tolist() == [-2, 3]


def test_spaces_and_names_come_from_the_model():
    sims = TaskSimulations(Slider)
    assert (sims.action_space.low, sims.action_space.high) == ([-2], [3])
    assert sims.action_space.dtype == np.float32
    assert sims.observation_space.shape == (1,)
    assert sims.observation_space.dtype == np.float64
    assert (sims.num_sims, sims.max_episode_steps, sims.task.dt) == (1, 12, 0.004)
    assert sims.task.action_names == ["pusher"]
    assert TaskSimulations(task_twin.Crawler).task.action_names == ["front_motor", "1"]


def test_an_instance_may_bring_settings_of_its_own():
    task = Slider()
    task.max_episode_steps, task.obs_names = 3, ["control"]
    assert TaskSimulations(task).max_episode_steps == 3
    assert TaskSimulations(Slider).max_episode_steps == 12


def legs(count, option=""):
    """Return the MJCF of `count` falling boxes, 6 degrees of freedom each, and one motor."""
    boxes = '<body><freejoint/><geom size="0.1"/></body>' * count
    return SLIDER.replace("<worldbody>", f"<worldbody>{boxes}").replace(
        "<option", f"<option {option}"
    )


def test_large_models_are_solved_with_a_dense_jacobian():
    class Large(Slider):
        model = mujoco.MjModel.from_xml_string(legs(12))

    assert mujoco.mj_isSparse(Large.model)
    assert not mujoco.mj_isSparse(TaskSimulations(Large).task.mj_model)
    assert mujoco.mj_isSparse(Large.model)  # the caller's own is left as it was


def test_a_model_that_asks_for_a_sparse_jacobian_is_warned_of():
    class Sparse(Slider):
        model = mujoco.MjModel.from_xml_string(legs(1, 'jacobian="sparse"'))

    with pytest.warns(UserWarning, match='Sparse.model asks for jacobian="sparse"'):
        sims = TaskSimulations(Sparse)
    assert mujoco.mj_isSparse(sims.task.mj_model)


def test_a_closed_one_says_so():
    sims = TaskSimulations(Slider)
    sims.close()
    with pytest.raises(RuntimeError, match="Slider: the simulations are closed"):
        sims.reset([0])
