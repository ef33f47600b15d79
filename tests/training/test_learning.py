"""TD7 learns: minutes of training at the paper's settings, apart from a shorter warm-up."""

import pytest

import td7
from td7.run.metrics import read_metrics


@pytest.mark.long
@pytest.mark.timeout(1800)
def test_halfcheetah_leaves_the_random_policy_behind_within_12000_steps(quiet):
    run = quiet()
    config = td7.TD7Config(warmup_steps=2_000, eval_every=2_000, buffer_capacity=100_000)
    td7.train("HalfCheetah-v5", total_steps=12_000, config=config, run=run)
    returns = [r["eval/mean_reward"] for r in read_metrics(run.out) if r["event"] == "evaluation"]
    assert returns[0] < 50  # the untrained policy barely moves
    assert returns[-1] > 200
