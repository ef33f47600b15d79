"""The checkpoint rule against tables worked by hand."""

import math

import pytest

from td7.agent.checkpoint import CheckpointRule, Decision

CONTINUE, REJECT, ACCEPT = Decision.CONTINUE, Decision.REJECT, Decision.ACCEPT


def make_rule(max_episodes=1, late_max_episodes=20, late_after_updates=750_000, **kwargs):
    return CheckpointRule(max_episodes, late_max_episodes, late_after_updates, 0.9, **kwargs)


def test_early_assessments_of_one_episode_accept_a_new_best_and_reject_a_worse_return():
    rule = make_rule()
    # return, length, decision, best afterwards
    table = [
        (-300.0, 1000, ACCEPT, -300.0),
        (-400.0, 1000, REJECT, -300.0),
        (-300.0, 1000, ACCEPT, -300.0),  # equal to the bar is not below it
        (-299.0, 500, ACCEPT, -299.0),
    ]
    updates = 0
    for episode_return, length, decision, best in table:
        assert rule.add_episode(episode_return, length) is decision
        assert rule.best_min_return == best
        assert rule.debt == length
        updates += rule.debt
        rule.add_burst(updates)
        assert (rule.episodes, rule.debt, rule.min_return) == (0, 0, math.inf)


def test_long_assessment_takes_the_minimum_and_adds_every_length_to_the_debt():
    rule = make_rule(max_episodes=3, best_min_return=5.0)
    assert rule.add_episode(9.0, 10) is CONTINUE
    assert rule.add_episode(6.0, 20) is CONTINUE
    assert rule.add_episode(8.0, 30) is ACCEPT
    assert (rule.best_min_return, rule.debt) == (6.0, 60)


def test_assessment_ends_early_at_the_first_episode_below_the_bar():
    rule = make_rule(max_episodes=20, best_min_return=5.0)
    assert rule.add_episode(9.0, 10) is CONTINUE
    assert rule.add_episode(4.9, 7) is REJECT
    assert (rule.best_min_return, rule.debt) == (5.0, 17)


@pytest.mark.parametrize("burst", [1, 2, 7, 250, 1000, 749_999, 750_000, 750_001, 2_000_000])
def test_switch_happens_once_just_before_update_750001_for_any_burst_size(burst):
    rule = make_rule(best_min_return=100.0)
    updates, switches = 0, []
    while updates < 1_600_000:
        updates += burst
        was = rule.switched
        rule.add_burst(updates)
        if rule.switched != was:
            switches.append(updates)
    first_end_past = (750_000 // burst + 1) * burst
    assert switches == [first_end_past]
    assert rule.max_episodes == 20
    assert rule.best_min_return == pytest.approx(90.0)


def test_a_burst_that_ends_on_update_750000_leaves_the_next_assessment_under_the_old_rule():
    rule = make_rule(best_min_return=100.0)
    rule.add_burst(750_000)
    assert (rule.switched, rule.max_episodes, rule.best_min_return) == (False, 1, 100.0)
    rule.add_burst(750_001)
    assert (rule.switched, rule.max_episodes, rule.best_min_return) == (True, 20, 90.0)


def test_the_switch_lowers_a_negative_bar_too():
    rule = make_rule(best_min_return=-100.0)
    rule.add_burst(750_001)
    assert rule.best_min_return == pytest.approx(-110.0)


def test_the_switch_without_any_checkpoint_keeps_the_open_bar():
    rule = make_rule()
    rule.add_burst(750_001)
    assert rule.best_min_return == -math.inf


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_a_return_that_is_not_finite_is_refused_and_changes_nothing(value):
    rule = make_rule()
    with pytest.raises(ValueError, match="episode_return must be finite, got"):
        rule.add_episode(value, 10)
    assert rule == make_rule()
