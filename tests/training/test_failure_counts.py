"""A simulation that fails ends the run with its seed, simulation and step, and the count so far."""

import numpy as np
import pytest
import task_twin

import td7
import toy_envs
from td7.envs import SimulationError
from td7.rollout import open_rollouts
from td7.run.folder import RunSettings, read_settings
from td7.run.saving import load_state
from td7.run.state import RunState


def test_failures_are_counted_over_all_sessions_of_a_run(small_config, quiet, monkeypatch):
    step, bad = toy_envs.Point.step, {"now": False}

    def failing(env, action):
        obs, *rest = step(env, action)
        return obs * np.nan if bad["now"] and env.steps == 30 else obs, *rest

    monkeypatch.setattr(toy_envs.Point, "step", failing)
    config = small_config(eval_every=1000)
    options = {"seeds": [7], "total_steps": 400, "config": config}
    run = quiet()
    td7.train("Toy/Point-v0", run=run, **options | {"total_steps": 110})
    bad["now"] = True
    for count in (1, 2):
        text = rf"^simulation failures of this run so far: {count}; seed 7, step \d+ "
        with pytest.raises(SimulationError, match=text):
            td7.resume(run.out, total_steps=400, run=run)
    bad["now"] = False
    assert td7.resume(run.out, total_steps=400, run=run).finished
    state = RunState(read_settings(run.out))
    load_state(state, run.out)
    assert state.failures == 2
    state.close()


@pytest.mark.parametrize("use_checkpoints", [True, False])
@pytest.mark.parametrize("where", ["collection", "evaluation"])
def test_an_error_that_an_environment_raises_is_counted(
    where, use_checkpoints, small_config, quiet, monkeypatch
):
    step, run = toy_envs.Point.step, quiet()
    failing_step = 20

    def failing(env, action):
        if env.total_steps == failing_step:
            raise ValueError("a joint broke")
        return step(env, action)

    monkeypatch.setattr(toy_envs.Point, "step", failing)
    changes = {"eval_episodes": 0} if where == "collection" else {}
    config = small_config(use_checkpoints=use_checkpoints, warmup_steps=10, **changes)
    begin = "evaluation at env step 0: " if where == "evaluation" else ""
    text = rf"^{begin}simulation failures of this run so far: 1; seed \d, .*raised ValueError: a j"
    with pytest.raises(RuntimeError, match=text) as error:
        td7.train("Toy/Point-v0", total_steps=200, config=config, run=run)
    assert not isinstance(error.value, SimulationError)


def test_a_task_that_fails_is_named_by_its_seed_and_simulation():
    env = f"{task_twin.__file__}:Crawler"
    rollouts = open_rollouts(env, [5, 9], 2)
    reset = rollouts.simulations.task.reset

    def failing(sims, random):
        reset(sims, random)
        rollouts.simulations.task.qpos[sims[sims == 3]] = np.nan

    rollouts.simulations.task.reset = failing
    text = r"^seed 9, simulation 1, step 1 \(episode step 1\): Crawler.* simulation 3 "
    with pytest.raises(SimulationError, match=text):
        rollouts._start([0, 1, 2, 3])
    rollouts.close()


def test_more_failures_than_are_shown_are_counted(small_config):

    state = RunState(RunSettings("Toy/Point-v0", (1,), 100, "cpu", 1, small_config()))
    shown = "; ".join(f"seed 1, simulation {sim}, episode step 5: bad" for sim in range(3))
    counted = state.count_failure(SimulationError(f"{shown}; and 4 more"))
    assert str(counted).startswith("simulation failures of this run so far: 7; seed 1, sim")
    assert isinstance(counted, SimulationError)
    state.close()
