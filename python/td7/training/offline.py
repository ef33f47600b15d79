"""Starts offline runs, which learn from a fixed data set alone (arXiv 2306.02451)."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path

from td7.config import RunConfig, TD7Config
from td7.datasets.fill import fill
from td7.datasets.source import Dataset, open_dataset
from td7.envs.vector_args import at_least
from td7.run.dataset_facts import DatasetFacts
from td7.run.folder import check_free
from td7.run.placement import checked_settings
from td7.run.state import RunState
from td7.training.online import begun
from td7.training.session import TrainResult, sit

MOST_TRANSITIONS = 50_000_000  # what a buffer may hold


def train_offline(
    dataset: str | Path,
    *,
    env: str | None = None,
    seeds: Sequence[int] = (0,),
    updates: int = 1_000_000,
    config: TD7Config | None = None,
    run: RunConfig | None = None,
    device: str = "auto",
) -> TrainResult:
    """Train one member for each seed on a data set, with cloning in the actor's loss (TD3+BC).

    `dataset` is the id or the folder of a Minari data set, or a file with D4RL's arrays, .hdf5 or
    .npz. Evaluations, every `eval_every` updates, run in `env`, by default the data set's own.
    There are no checkpoints; the buffer holds the data set at least, for each seed. Raises
    ValueError, naming the data set and the first offending transition, for one that cannot be
    learned from.
    """
    run = (run or RunConfig()).resolved()
    if run.out is not None:
        check_free(Path(run.out), run.overwrite)
    updates = at_least(1, updates, "updates")
    config = config or TD7Config()
    checked_settings(env or "", seeds, updates, config, device)  # before anything is downloaded
    data, env = _opened(dataset, env)
    config = dataclasses.replace(
        config,
        use_checkpoints=False,
        buffer_capacity=max(config.buffer_capacity, data.transitions),
    )
    settings = checked_settings(env, seeds, updates, config, device)
    expected = DatasetFacts(data.name, max(1, data.transitions), 1, None, None, None)

    def take_in(state: RunState) -> list[str]:
        spaces = state.rollouts.observation_space, state.rollouts.action_space
        facts = fill(state.collector.replays, data, settings.env, *spaces)
        data.close()  # training holds the rows once
        state.settings = dataclasses.replace(state.settings, dataset=facts)
        if data.env in (None, settings.env):
            return []
        return [f"the data set is of {data.env}, evaluations are in {settings.env}"]

    settings = dataclasses.replace(settings, dataset=expected)
    with begun(settings, run, take_in) as start:
        return sit(*start)


def _opened(dataset: str | Path, env: str | None) -> tuple[Dataset, str]:
    """Open a data set, and say in which environment it is evaluated."""
    data = open_dataset(dataset)
    env = env or data.env
    if env is None:
        raise ValueError(
            f"data set {data.name} {data.no_env}: say in which one to evaluate (env, --env)"
        )
    if data.transitions > MOST_TRANSITIONS:
        raise ValueError(
            f"data set {data.name} must have at most {MOST_TRANSITIONS} transitions, it tells of "
            f"{data.transitions}"
        )
    return data, env
