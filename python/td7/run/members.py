"""One seed of a run, as the loop sees it: its counters and its checkpoint rule."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from td7.agent.checkpoint import CheckpointRule, Decision
from td7.config import AlgorithmConfig
from td7.files.json_checks import Check, either, exactly, flag, integer, items, number, record
from td7.files.json_checks import mapping as mapping_of
from td7.rollout import Episode

MOST_METRICS = 64


@dataclass
class Member:
    """Everything that a member has beside its networks, replay and simulations."""

    seed: int
    rule: CheckpointRule
    learning: bool = False  # whether the warm-up is over
    debt: int = 0  # updates still to be made
    evaluated: int = -1  # the run's clock at the last evaluation
    checkpoint_steps: int = 0  # env_steps when the checkpoint was made
    recent_episodes: list[Episode] = field(default_factory=list)  # since the last round's report

    @classmethod
    def new(cls, seed: int, config: AlgorithmConfig) -> Member:
        """Return a member that has taken no step."""
        rule = CheckpointRule(
            config.assessment_episodes,
            config.late_assessment_episodes,
            config.late_after_updates,
            config.reset_weight,
        )
        return cls(seed, rule)

    def assess(self, episodes: Sequence[Episode]) -> bool:
        """Count episodes of the assessment, in order; return whether it accepts the policy.

        The end of the assessment sets the debt. Episodes behind the one that ended it do not count
        in the rule, but add to the debt.
        """
        self.recent_episodes += episodes
        decision = Decision.CONTINUE
        for episode in episodes:
            if decision is Decision.CONTINUE:
                decision = self.rule.add_episode(episode.episode_return, episode.length)
            else:
                self.rule.add_uncounted(episode.length)
        if decision is not Decision.CONTINUE:
            self.debt = self.rule.debt
        return decision is Decision.ACCEPT

    def to_json(self) -> dict[str, Any]:
        """Return what a state's counters hold of it; `restore` reads it back."""
        return {
            "rule": {name: _encode(value) for name, value in dataclasses.asdict(self.rule).items()},
            "learning": self.learning,
            "debt": self.debt,
            "evaluated": self.evaluated,
            "checkpoint_steps": self.checkpoint_steps,
            "recent_episodes": pairs(self.recent_episodes),
        }

    def restore(self, saved: Mapping[str, Any]) -> None:
        """Take over what `to_json` returned. REQUIRES: it has passed `member_fields`."""
        rule = {name: _decode(value) for name, value in saved["rule"].items()}
        self.rule = CheckpointRule(**rule)
        self.learning, self.debt = saved["learning"], saved["debt"]
        self.evaluated, self.checkpoint_steps = saved["evaluated"], saved["checkpoint_steps"]
        self.recent_episodes = [Episode(*each) for each in saved["recent_episodes"]]


def member_fields(config: AlgorithmConfig, total: int) -> dict[str, Check]:
    """Return the checks of `Member.to_json`, for a run of `total` steps by its clock."""
    return {
        "rule": record(
            {
                "max_episodes": integer(1, 2**53),
                "late_max_episodes": exactly(config.late_assessment_episodes),
                "late_after_updates": exactly(config.late_after_updates),
                "reset_weight": exactly(config.reset_weight),
                "best_min_return": either(exactly("-inf"), number(-1e300, 1e300)),
                "min_return": either(exactly("inf"), number(-1e300, 1e300)),
                "episodes": integer(0, 2**53),
                "debt": integer(0, total),
                "switched": flag,
            }
        ),
        "learning": flag,
        "debt": integer(0, total),
        "evaluated": integer(-1, total),
        "checkpoint_steps": integer(0, total),
        "recent_episodes": items(episode_pair(total), 0, total),
        "update_metrics": mapping_of("train/[a-z_]{1,60}", items(number(), 2, 2), MOST_METRICS),
    }


def episode_pair(total: int) -> Check:
    """Return the check of an episode: [return, length]."""

    def check(value: Any, where: str) -> None:
        items(number(-1e300, 1e300), 2, 2)(value, where)
        integer(1, total)(value[1], f"{where}[1]")

    return check


def pairs(episodes: Sequence[Episode]) -> list[tuple[float, int]]:
    """Return episodes as JSON has them."""
    return [(episode.episode_return, episode.length) for episode in episodes]


def _encode(value: Any) -> Any:
    """JSON has no infinity: the rule's open bars are written as text."""
    return str(value) if value in (float("inf"), float("-inf")) else value


def _decode(value: Any) -> Any:
    return float(value) if isinstance(value, str) else value
