"""What counters.json and episodes.safetensors may hold: every field with its check.

Who can write the files can write a state that no run has been in; what passes here is at least one
that a run can go on from.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from td7.files.json_checks import (
    Check,
    either,
    exactly,
    integer,
    items,
    number,
    record,
    refuse,
    text,
)
from td7.run.folder import RunSettings
from td7.run.members import episode_pair, member_fields

MOST_STEPS = 2**40 - 1  # of a simulation: more would not tell its draws from the next one's

PCG64 = record(
    {
        "bit_generator": exactly("PCG64"),
        "state": record({"state": integer(0, 2**128 - 1), "inc": integer(0, 2**128 - 1)}),
        "has_uint32": integer(0, 1),
        "uinteger": integer(0, 2**32 - 1),
    }
)


def check_counters(saved: Any, settings: RunSettings, *, native: bool) -> None:
    """Raise ValueError, naming the field, unless this is what `counters` returns for such a run.

    native: whether the simulations are in C++, which have a generator from the start.
    """
    members, total = len(settings.seeds), min(settings.total_steps, MOST_STEPS)
    failed = isinstance(saved, dict) and "failures" in saved
    failures = {"failures": integer(1, 2**53)} if failed else {}
    record(
        {
            "updates": items(
                integer(0, total if settings.clock == "updates" else MOST_STEPS), members, members
            ),
            "members": items(_member(settings, total, native), members, members),
            "wall_s": number(0, 1e12),
            "metrics_bytes": integer(0, 2**63 - 1),
        }
        | failures
    )(saved, "")
    for member, each in enumerate(saved["members"]):
        where = f"members[{member}]"
        _check_together(each, where, settings, total)
        if settings.clock == "updates":
            updates = saved["updates"][member]
            integer(0, total - updates)(each["debt"], f"{where}.debt")
            integer(-1, updates)(each["evaluated"], f"{where}.evaluated")


def check_actions(
    actions: Mapping[str, NDArray[Any]], members: list[dict[str, Any]], action_size: int
) -> None:
    """Raise ValueError unless these are the actions [T, A] of the members' episodes under way.

    REQUIRES: members as check_counters has passed them.
    """
    sims = {
        f"{member}.{sim}": state
        for member, each in enumerate(members)
        for sim, state in enumerate(each["simulations"])
    }
    for name in sorted(actions.keys() - sims.keys()):
        raise ValueError(f"{name:.60} is unknown")
    for name, state in sims.items():
        taken = actions.get(name)
        if taken is None:
            taken = np.zeros((0, action_size), np.float32)
        if taken.dtype != np.float32 or taken.ndim != 2 or taken.shape[1] != action_size:
            raise ValueError(
                f"{name} must be float32 [T, {action_size}], got {taken.dtype} {list(taken.shape)}"
            )
        if not state["stored"] <= len(taken) <= state["steps"]:
            raise ValueError(
                f"{name} must be of {state['stored']} to {state['steps']} actions, those stored "
                f"and those taken, got {len(taken)}"
            )
        if not (np.abs(taken) <= 1).all():
            raise ValueError(f"{name} must be in [-1, 1]")


def most_action_bytes(members: list[dict[str, Any]], action_size: int) -> int:
    """Return how large the file of the actions can be, its header included."""
    states = [state for each in members for state in each["simulations"]]
    return sum(4 * action_size * state["steps"] + 256 for state in states) + 4096


def _member(settings: RunSettings, total: int, native: bool) -> Check:
    config = settings.config
    simulation = _simulation(native)
    evaluations = 0 if config.one_env else config.eval_episodes
    fields = {
        "simulations": items(simulation, config.num_envs, config.num_envs),
        "evaluation": items(simulation, evaluations, evaluations),
        "wave": _wave(config.num_envs),
        **member_fields(config, total),
    }
    uncounted = {"uncounted": items(episode_pair(total), 1, config.num_envs)}

    def check(value: Any, where: str) -> None:
        held = isinstance(value, dict) and "uncounted" in value
        record(fields | uncounted if held else fields)(value, where)

    return check


def _simulation(native: bool) -> Check:
    # None: not seeded yet; {}: of a kind that cannot be put back
    generator = PCG64 if native else either(exactly(None, {}), PCG64)
    return record(
        {
            "steps": integer(0, MOST_STEPS),
            "generator": generator,
            "stored": integer(0, MOST_STEPS),
            "episode_return": number(-1e300, 1e300),
            "seen": text("[0-9a-f]{32}", "a digest of 32 hexadecimal digits"),
        }
    )


def _wave(num_envs: int) -> Check:
    def check(value: Any, where: str) -> None:
        items(integer(0, num_envs - 1), 0, num_envs)(value, where)
        if value != list(range(len(value))):
            refuse(where, "simulations in order from 0", value)

    return check


def _check_together(member: dict[str, Any], where: str, settings: RunSettings, total: int) -> None:
    """Check fields that must fit each other, or the loop would have nothing to do, for ever."""
    config = settings.config
    rule, debt = member["rule"], member["debt"]
    env_steps = sum(state["steps"] for state in member["simulations"])
    most = total if settings.clock == "env_steps" else 0
    if env_steps > most:
        raise ValueError(f"{where}.simulations must be of at most {most} steps, got {env_steps}")
    for name, owed in (("debt", debt), ("rule.debt", rule["debt"])):
        if settings.clock == "updates" and name == "debt":
            continue
        if owed > env_steps:
            raise ValueError(f"{where}.{name} must be at most {env_steps}, its steps, got {owed}")
    late = config.late_assessment_episodes if rule["switched"] else config.assessment_episodes
    exactly(late)(rule["max_episodes"], f"{where}.rule.max_episodes")
    # an assessment that has all its episodes has ended, and is owed for
    integer(0, late if debt else late - 1)(rule["episodes"], f"{where}.rule.episodes")
    if member["learning"] and not config.use_checkpoints:
        exactly([])(member["wave"], f"{where}.wave")
        for name in ("debt", "episodes"):
            exactly(0)(rule[name], f"{where}.rule.{name}")
        if "uncounted" in member:
            raise ValueError(f"{where}.uncounted must be left out: there are no assessments")
    if "uncounted" in member:  # a wave that has ended: no other one begins before it is assessed
        exactly(0)(debt, f"{where}.debt")
        exactly([])(member["wave"], f"{where}.wave")
    for name, (_, count) in member["update_metrics"].items():
        if not 1 <= count <= 2**24:
            refuse(f"{where}.update_metrics.{name}[1]", f"a count from 1 to {2**24}", count)
