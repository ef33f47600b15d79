"""A stop or an error within an evaluation, wherever it falls, changes nothing of what follows."""

import signal

import pytest
from test_resume import assert_same

import td7
from td7.envs import SimulationError
from td7.training import evaluations

WAVES = {"num_envs": 2, "assessment_episodes": 2}
CASES = {
    "waves": (WAVES | {"eval_every": 50}, 400, (3, 4, 5, 7)),
    "end-of-the-run": (WAVES | {"eval_every": 70}, 350, (5, 6)),
    "steps": ({"num_envs": 3, "use_checkpoints": False, "eval_every": 100}, 400, (2, 3)),
    "one": ({"eval_every": 50}, 300, (4,)),
}


@pytest.mark.parametrize(
    ("case", "cut"), [(case, cut) for case, (_, _, cuts) in CASES.items() for cut in cuts]
)
def test_an_evaluation_that_is_cut_is_made_where_it_belongs(
    case, cut, small_config, quiet, monkeypatch
):
    changes, total, _ = CASES[case]
    options = {"seeds": [1], "total_steps": total, "config": small_config(**changes)}
    td7.train("Toy/Point-v0", run=quiet("whole"), **options)
    evaluate, calls, run = evaluations.evaluate, [], quiet("cut")

    def interrupted(*arguments):
        calls.append(1)
        if len(calls) == cut:
            signal.raise_signal(signal.SIGTERM)
        return evaluate(*arguments)

    monkeypatch.setattr(evaluations, "evaluate", interrupted)
    assert not td7.train("Toy/Point-v0", run=run, **options).finished
    assert td7.resume(run.out, run=run).finished
    assert_same(run.out, quiet("whole").out)


@pytest.mark.parametrize("failing", (7, 9, 11))
def test_a_state_saved_after_an_evaluation_failed_goes_on(
    failing, small_config, quiet, monkeypatch
):
    run, config = quiet(), small_config(eval_every=50)
    options = {"seeds": [1, 2], "total_steps": 400, "config": config}
    evaluate, calls = evaluations.evaluate, []

    def breaking(*arguments):
        calls.append(1)
        if len(calls) == failing:
            raise SimulationError("the robot fell over")
        return evaluate(*arguments)

    monkeypatch.setattr(evaluations, "evaluate", breaking)
    with pytest.raises(SimulationError, match="the robot fell over"):
        td7.train("Toy/Point-v0", run=run, **options)
    assert td7.resume(run.out, run=run).finished
