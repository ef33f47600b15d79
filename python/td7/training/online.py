"""Starts online runs: with new networks, or with those of another run."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from td7.config import AlgorithmConfig, RunConfig, TD7Config
from td7.run.environment import env_of_run, with_code_folder
from td7.run.folder import (
    RunSettings,
    check_free,
    default_folder,
    locked,
    make_run_folder,
    read_settings,
)
from td7.run.placement import checked_settings
from td7.run.replaced import drop_replaced, put_back
from td7.run.saving import latest, put_first_state, read_from, save_first_state
from td7.run.state import RunState
from td7.torch_settings import run_settings
from td7.training.session import TrainResult, memory_named, sit

SIZES = ("embedding_size", "encoder_hidden", "critic_hidden", "actor_hidden")
REPLAY = ("buffer_capacity", "lap_alpha", "min_priority", "num_envs")


def train(
    env: str,
    *,
    seeds: Sequence[int] = (0,),
    total_steps: int = 300_000,
    config: AlgorithmConfig | None = None,
    run: RunConfig | None = None,
    device: str = "auto",
) -> TrainResult:
    """Train one member for each seed on a Gymnasium id or a task, `FILE.py:CLASS`.

    `config` chooses the algorithm, by default TD7.

    A SIGINT, SIGTERM or SIGHUP stops at the next update or step, with the state saved. Raises
    ValueError for an environment or argument that cannot be trained, FileExistsError for a folder
    in use, SimulationError (state saved) when an environment fails or returns a value that is not
    finite.
    """
    settings = checked_settings(env, seeds, total_steps, config or TD7Config(), device)
    with begun(settings, run or RunConfig()) as start:
        return sit(*start)


def train_from(
    start: str | Path,
    *,
    total_steps: int = 300_000,
    config: AlgorithmConfig | None = None,
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
    start, run = Path(start).absolute(), (run or RunConfig()).resolved()
    source = read_settings(start)
    kept = (*SIZES, *(REPLAY if keep_replay else ()))
    config = _fitted(config or type(source.config)(), source.config, kept, start)
    if not config.max_episode_steps:  # the environment is that run's, its time limit included
        limit = source.config.max_episode_steps
        config = dataclasses.replace(config, max_episode_steps=limit)
    env = env_of_run(start, source)
    settings = checked_settings(env, source.seeds, total_steps, config, device)
    settings = dataclasses.replace(settings, start=str(start), kept_replay=keep_replay)
    if Path(run.out or default_folder(settings)).resolve() == start.resolve():
        raise ValueError(f"out must be another folder than {start}, the run to start from")

    def take_over(state: RunState) -> list[str]:
        notes = read_from(start, state, with_replays=keep_replay)
        state.learners.restart(new_checkpoints=not source.config.use_checkpoints)
        return notes

    with begun(settings, run, take_over) as started:
        return sit(*started)


@contextmanager
def begun(
    settings: RunSettings,
    run: RunConfig,
    prepare: Callable[[RunState], list[str]] | None = None,
) -> Iterator[tuple[RunState, Path, RunConfig, list[str]]]:
    """Give the arguments of a new run's session, its folder made and locked.

    What `prepare` does to the state is saved first; it returns notes for the session to report. A
    run that is replaced is deleted once the new one has been saved on the way or at a stop; if the
    new one fails before its first update the old one is put back.
    """
    run = run.resolved()
    folder = Path(run.out or default_folder(settings)).absolute()
    settings = with_code_folder(settings, folder)
    with memory_named(settings.device), run_settings():
        check_free(folder, run.overwrite)
        state = RunState(settings, run)
        try:
            notes = [] if prepare is None else prepare(state)
            with locked(folder):
                check_free(folder, run.overwrite)
                if prepare is not None:
                    save_first_state(state, folder)
                try:
                    make_run_folder(folder, state.settings)
                    if prepare is not None:
                        put_first_state(folder)
                    yield state, folder, run, notes
                except BaseException:
                    if any(state.learners.updates) and latest(folder):
                        drop_replaced(folder)
                    else:
                        put_back(folder)
                    raise
        finally:
            state.close()


def _fitted(
    config: AlgorithmConfig, source: AlgorithmConfig, names: Sequence[str], start: Path
) -> AlgorithmConfig:
    """Return the configuration with these fields as the source has them, unless it says others."""
    if config.algorithm != source.algorithm:
        raise ValueError(
            f"config must be of the algorithm of {start}, {source.algorithm}, got one of "
            f"{config.algorithm}"
        )
    default = type(source)()
    for name in names:
        if name not in {field.name for field in dataclasses.fields(source)}:
            continue
        given, wanted = getattr(config, name), getattr(source, name)
        if given not in (wanted, getattr(default, name)):
            raise ValueError(
                f"{type(source).__name__}.{name} must be {wanted} as in {start}, got {given}"
            )
        config = dataclasses.replace(config, **{name: wanted})
    return config
