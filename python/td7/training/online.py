"""Starts online runs: with new networks, or with those of another run."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from pathlib import Path

from td7.config import RunConfig, TD7Config
from td7.run_folder import RunSettings, check_free, default_folder, locked, make_run_folder
from td7.run_folder import read_settings as settings_of
from td7.training.plan import checked_settings
from td7.training.run_state import RunState
from td7.training.saved_state import read_learner, read_replays, save_state
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
    transitions and priorities, too; the buffer is then as large as it was. Network sizes are those
    of `start`. Raises as `train` does, and ValueError for a run without a sound state or a
    configuration that does not fit it.
    """
    start, run = Path(start), run or RunConfig()
    source = settings_of(start)
    kept = (*SIZES, *(REPLAY if keep_replay else ()))
    config = _fitted(config or TD7Config(), source.config, kept, start)
    settings = checked_settings(source.env, source.seeds, total_steps, config, device)
    settings = dataclasses.replace(settings, start=str(start.absolute()))

    def take_over(state: RunState) -> None:
        read_learner(start, state.learners)
        state.learners.restart(new_checkpoints=not source.config.use_checkpoints)
        if keep_replay:
            read_replays(start, state)

    return begin(settings, run, take_over)


def begin(
    settings: RunSettings,
    run: RunConfig,
    prepare: Callable[[RunState], None] | None = None,
) -> TrainResult:
    """Make the run's folder and run it; what `prepare` has done to the state is saved first."""
    folder = Path(run.out or default_folder(settings))
    with memory_named(settings.device):
        check_free(folder, run.overwrite)
        state = RunState(settings, run)
        try:
            if prepare is not None:
                prepare(state)
            with locked(folder):
                check_free(folder, run.overwrite)
                make_run_folder(folder, state.settings)
                if prepare is not None:
                    save_state(state, folder, wall_s=0.0, metrics_bytes=0)
                return sit(state, folder, run)
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
