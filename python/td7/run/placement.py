"""What is decided before a run starts: execution, where replays lie, who trains together."""

from __future__ import annotations

import dataclasses
import operator
import os
import re
from collections.abc import Sequence
from typing import Any

import torch

from td7.config import AlgorithmConfig, RunConfig
from td7.envs import absolute_name
from td7.files.path_names import checked_path
from td7.machine import BF16_UNITS, bf16_units, processor
from td7.replay import DeviceLapReplay, LapReplay
from td7.replay.place import choose_replay, device_bytes, free_bytes
from td7.rollout import Replay
from td7.run.folder import DEVICE, MOST_SEEDS, MOST_STEPS, RunSettings
from td7.updates.execution import choose_execution

ALLOW_SLOW_BF16 = "TD7_ALLOW_SLOW_BF16"
EMULATED_SPEED = 0.03  # 0.6 updates/s beside 19 in float32


def decided(settings: RunSettings, obs_size: int, action_size: int) -> RunSettings:
    """Replace what the configuration leaves to `auto`."""
    config, device = settings.config, torch.device(settings.device)
    if config.precision == "tf32" and device.type != "cuda":
        raise ValueError(f"precision 'tf32' needs a CUDA device, got {settings.device!r}")
    if config.precision == "bf16" and device.type == "cpu":
        _check_bf16_speed()
    cloning = getattr(config, "offline_loss", "td7")
    if cloning != "td7" and not settings.offline:
        raise ValueError(
            f"TD7Config.offline_loss must be 'td7' where environments are stepped, got {cloning!r}"
        )
    updates = settings.total_steps - (0 if settings.offline else config.warmup_steps)
    member_bytes = device_bytes(config.buffer_capacity, obs_size, action_size)
    replay = choose_replay(config.replay, member_bytes, len(settings.seeds), free_bytes(device))
    execution = choose_execution(config.execution, device, replay, updates)
    single_steps = not (settings.offline or config.use_checkpoints)
    if single_steps and config.execution == "auto" and config.num_envs < config.policy_period:
        # a graph is of a whole policy period, and no burst has as many updates
        execution = "compiled" if execution == "graph" else execution
    config = dataclasses.replace(config, execution=execution, replay=replay)
    return dataclasses.replace(settings, config=config)


def _check_bf16_speed() -> None:
    """Raise ValueError if this CPU emulates bfloat16, unless TD7_ALLOW_SLOW_BF16=1 is set."""
    units = bf16_units()
    if units is None or units or os.environ.get(ALLOW_SLOW_BF16) == "1":
        return
    raise ValueError(
        f"precision 'bf16' needs a GPU or a CPU with bfloat16 units ({', '.join(BF16_UNITS)}), got "
        f"{processor()}, which emulates them: {EMULATED_SPEED} x the updates per second of "
        f"'float32', measured on an AMD EPYC (Zen 3). Use 'float32', or set {ALLOW_SLOW_BF16}=1 "
        "to train with 'bf16' at that speed"
    )


def group_size(settings: RunSettings) -> int:
    """Return how many members are updated together: on a GPU half of them, offline all."""
    if torch.device(settings.device).type == "cpu":
        return 1
    members = len(settings.seeds)
    return members if settings.offline else -(-members // 2)


def turns(settings: RunSettings, together: int) -> list[range]:
    """Return the members that collect, and then train, together.

    On a GPU these are the groups: one trains there while another collects on the CPU.
    """
    members, on_cpu = len(settings.seeds), torch.device(settings.device).type == "cpu"
    if on_cpu:
        return [range(members)]
    firsts = range(0, members, together)
    return [range(first, min(first + together, members)) for first in firsts]


def open_replays(
    settings: RunSettings, obs_size: int, action_size: int, run: RunConfig, together: int
) -> list[Replay]:
    """Open one replay for all members on the host, or one for each group on the device."""
    cfg, seeds = settings.config, settings.seeds
    sizes = cfg.buffer_capacity, obs_size, action_size
    rules: dict[str, Any] = {
        "alpha": cfg.lap_alpha,
        "min_priority": cfg.min_priority,
        "streams": cfg.num_envs,
    }
    if run.scratch_dir is not None:
        checked_path(run.scratch_dir, "scratch_dir")
    if cfg.replay == "host":
        return [LapReplay(*sizes, seeds=seeds, scratch_dir=run.scratch_dir, **rules)]
    if run.scratch_dir is not None:
        raise ValueError("scratch_dir must be left out where the replay is on the device")
    # groups share nothing, so one may be filled while another trains
    return [
        DeviceLapReplay(
            *sizes, seeds=seeds[first : first + together], device=settings.device, **rules
        )
        for first in range(0, len(seeds), together)
    ]


def idle_envs(settings: RunSettings) -> str:
    """Say that environments will be idle since assessments have fewer episodes, or nothing."""
    config = settings.config
    episodes, late = config.assessment_episodes, config.late_assessment_episodes
    if settings.offline or not config.use_checkpoints or config.num_envs <= episodes:
        return ""
    later = ""
    if late > episodes and settings.total_steps - config.warmup_steps > config.late_after_updates:
        later = f", {min(late, config.num_envs)} after {config.late_after_updates:,} updates"
    return (
        f"num_envs {config.num_envs}: after the warm-up {episodes} of them run at once{later}: an "
        "assessment has no more episodes (--assessment-episodes, --late-assessment-episodes)"
    )


def checked_settings(
    env: str, seeds: Sequence[int], total_steps: int, config: AlgorithmConfig, device: str
) -> RunSettings:
    """Return the settings of a new run; TypeError or ValueError names the argument."""
    if not isinstance(env, str):
        raise TypeError(f"env must be a Gymnasium id or FILE.py:CLASS, got {env!r}")
    try:
        if any(isinstance(number, bool) for number in (*seeds, total_steps)):
            raise TypeError("got a bool")
        chosen = tuple(operator.index(seed) for seed in seeds)
        total_steps = operator.index(total_steps)
    except TypeError as error:
        raise TypeError(f"seeds and total_steps must be whole numbers: {error}") from error
    if not chosen or len(set(chosen)) != len(chosen) or min(chosen) < 0:
        raise ValueError(f"seeds must be distinct and not negative, got {list(chosen)}")
    if max(chosen) >= 2**64:
        raise ValueError(f"seeds must be from 0 to 2^64 - 1, got {max(chosen)}")
    if len(chosen) > MOST_SEEDS:
        raise ValueError(f"seeds must be at most {MOST_SEEDS}, got {len(chosen)} of them")
    if total_steps < 1:
        raise ValueError(f"total_steps must be at least 1, got {total_steps}")
    if total_steps > MOST_STEPS:
        raise ValueError(f"total_steps must be at most {MOST_STEPS}, got {total_steps}")
    device = str(device)
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    check_device(device)
    return RunSettings(
        absolute_name(env), chosen, total_steps, device, torch.get_num_threads(), config
    )


def check_device(device: str) -> None:
    """Raise ValueError unless there is such a device."""
    if not re.fullmatch(DEVICE, device):
        raise ValueError(f"device must be there, got {device!r}: it is no cpu, cuda or cuda:N")
    try:
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0]
        raise ValueError(f"device must be there, got {device!r}: {reason}") from error
