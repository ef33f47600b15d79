"""Starts online runs: with new networks, or with those of another run."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from pathlib import Path

from td7.config import RunConfig, TD7Config
from td7.run_folder import (
    RunSettings,
    check_free,
    default_folder,
    locked,
    make_run_folder,
    read_settings,
)
from td7.torch_settings import run_settings
from td7.training.plan import checked_settings
from td7.training.run_state import RunState
from td7.training.saved_state import put_first_state, read_from, save_first_state
from td7.training.sitting import TrainResult, memory_named, sit

SIZES = ("embedding_size", "encoder_hidden", "critic_hidden", "actor_hidden")
REPLAY = ("buffer_capacity", "lap_alpha", "min_priority", "num_envs")


def train(
    env: str,
    *,
    seeds: Sequence[int] = (0,),
    total_steps: int = 300_000,
    config: TD7Config | None = None,
    run: RunConfig | None = None,
    device: str = "auto",
) -> TrainResult:
    """Train one TD7 member for each seed on a Gymnasium id or a task, `FILE.py:CLASS`.

    A SIGINT or SIGTERM stops at the next update or step, with the state saved. Raises ValueError
    for an environment or argument that cannot be trained, FileExistsError for a folder in use,
    SimulationError (state saved) when an environment fails or returns a value that is not finite.
    """
    settings = checked_settings(env, seeds, total_steps, config or TD7Config(), device)
    return begin(settings, run or RunConfig())


def train_from(
    start: str | Path,
    *,
    total_steps: int = 300_000,
    config: TD7Config | None = None,
    run: RunConfig | None = None,
    device: str = "auto",
    keep_replay: bool = False,
) -> TrainResult:
    """Train online from where another run, offline say, has come: its environment and seeds.

    Networks, targets, optimisers and value ranges are those of its saved state; counts start from
    0. In the warm-up the loaded policy acts, with exploration noise. `keep_replay` goes on with the
    transitions and priorities, too; the buffer is then as it was. Of the configuration only the
    sizes of networks are those of `start`, and with `keep_replay` the buffer's settings. Raises as
    `train` does, and ValueError for a run without a sound state or a configuration that does not
    fit it.
    """
    start, run = Path(start), run or RunConfig()
    source = read_settings(start)
    kept = (*SIZES, *(REPLAY if keep_replay else ()))
    config = _fitted(config or TD7Config(), source.config, kept, start)
    settings = checked_settings(source.env, source.seeds, total_steps, config, device)
    settings = dataclasses.replace(settings, start=str(start.absolute()), kept_replay=keep_replay)
    if Path(run.out or default_folder(settings)).resolve() == start.resolve():
        raise ValueError(f"out must be another folder than {start}, the run to start from")

    def take_over(state: RunState) -> list[str]:
        notes = read_from(start, state, with_replays=keep_replay)
        state.learners.restart(new_checkpoints=not source.config.use_checkpoints)
        return notes

    return begin(settings, run, take_over)


def begin(
    settings: RunSettings,
    run: RunConfig,
    prepare: Callable[[RunState], list[str]] | None = None,
) -> TrainResult:
    """Make the run's folder and run it; what `prepare` does to the state is saved first.

    It returns what is to be told. A run that is replaced goes only once that state is saved.
    """
    folder = Path(run.out or default_folder(settings))
    with memory_named(settings.device), run_settings():
        check_free(folder, run.overwrite)
        state = RunState(settings, run)
        try:
            notes = [] if prepare is None else prepare(state)
            with locked(folder):
                check_free(folder, run.overwrite)
                if prepare is not None:
                    save_first_state(state, folder)
                make_run_folder(folder, state.settings)
                if prepare is not None:
                    put_first_state(folder)
                return sit(state, folder, run, notes)
        finally:
            state.close()


def _fitted(config: TD7Config, source: TD7Config, names: Sequence[str], start: Path) -> TD7Config:
    """Return the configuration with these fields as the source has them, unless it says others."""
    default = TD7Config()
    for name in names:
        given, wanted = getattr(config, name), getattr(source, name)
        if given not in (wanted, getattr(default, name)):
            raise ValueError(f"TD7Config.{name} must be {wanted} as in {start}, got {given}")
        config = dataclasses.replace(config, **{name: wanted})
    return config
