"""The robot that ships as an example does what its file says."""

import numpy as np
import pytest

from td7.envs.task.loading import load_task
from td7.envs.task.simulations import TaskSimulations


@pytest.fixture(scope="module")
def sims():
    return TaskSimulations(load_task("td7.examples.reach_arm:ReachArm"), 64, 2)


def test_the_arm_reaches_its_targets_by_a_hand_written_controller(sims):
    """The targets move the servos' angles by the transposed Jacobian: the task can be done."""
    task, everyone = sims.task, np.arange(64)
    sims.reset(everyone, everyone.tolist())
    low, high = sims.action_space.low, sims.action_space.high
    tip = task.mj_model.site("tip").bodyid[0]
    total, angles, reached = np.zeros(64), task.qpos.copy(), []
    for step in range(1, 200):
        jacobian, _ = task._batch.jac(tip, task.tip)
        angles += 0.6 * np.einsum("nij,ni->nj", jacobian, task.target - task.tip)
        angles = np.clip(angles, low, high)
        target = task.target.copy()
        total += sims.step(everyone, angles.astype(np.float32))[1]
        moved = (target != task.target).any(axis=1)
        assert moved.all() if step in (50, 100, 150) else not moved.any()
        if step in (49, 99, 149, 199):
            reached.append(np.median(task.distance()))
        elif moved.any():
            assert task.distance().mean() > 0.15
    assert max(reached) < 0.06
    assert np.median(total) > 0


def test_the_arm_differs_from_episode_to_episode(sims):
    sims.reset(np.arange(64), range(64))
    for name, index in {
        "body_mass": 2,
        "dof_damping": 1,
        "dof_frictionloss": 0,
        "actuator_gainprm": (1, 0),
    }.items():
        values = sims.task.model_field(name).reshape(64, *sims.task.model_field(name).shape[1:])
        assert len(np.unique([row[index] for row in values])) == 64


def test_its_names_and_units_are_complete(sims):
    task = sims.task
    assert len(task.obs_names) == len(task.obs_units) == 12
    assert list(task.action_names) == ["turn", "shoulder", "elbow"]
    assert task.dt == pytest.approx(0.02)
