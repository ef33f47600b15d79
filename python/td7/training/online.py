"""Online TD7: collect under a frozen policy, assess it, train the debt in a burst, evaluate."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from td7.agent.checkpoint import Decision
from td7.config import RunConfig, TD7Config
from td7.deploy.policy import Policy
from td7.run_folder import (
    RunSettings,
    default_folder,
    make_run_folder,
    policy_folder,
    read_settings,
    write_settings,
)
from td7.training.burst import train_burst
from td7.training.evaluate import evaluate
from td7.training.metrics import MetricsWriter, Row
from td7.training.progress import Progress
from td7.training.run_state import RunState, load_state, save_state
from td7.training.stop import StopSignal

EVAL_SEED_OFFSET = 100


@dataclass(frozen=True)
class TrainResult:
    """What `train` leaves: the run folder, and one policy a seed."""

    folder: Path
    policies: dict[int, Policy]
    finished: bool
    env_steps_per_s: float
    updates_per_s: float


def train(
    env: str,
    *,
    seeds: Sequence[int] = (0,),
    total_steps: int = 300_000,
    config: TD7Config | None = None,
    run: RunConfig | None = None,
    device: str = "auto",
) -> TrainResult:
    """Train one TD7 member for each seed on a Gymnasium environment, in one program.

    A SIGINT or SIGTERM stops at the next update or step, with the state saved. Raises ValueError
    for an environment or argument that cannot be trained, FileExistsError for a folder in use,
    DivergedError (state saved) when the environment returns a value that is not finite.
    """
    config, run = config or TD7Config(), run or RunConfig()
    settings = _settings(env, seeds, total_steps, config, device)
    folder = Path(run.out or default_folder(env, settings.seeds))
    state = RunState(settings)
    try:
        make_run_folder(folder, settings, run.overwrite)
        return _run(state, folder, run)
    finally:
        state.close()


def resume(
    folder: str | Path, *, total_steps: int | None = None, run: RunConfig | None = None
) -> TrainResult:
    """Continue a run from its saved state, with its own settings, to its own or a later end.

    Raises ValueError for a folder that holds no run or no state, a file that is not as it was
    saved, or an end that the run has already passed.
    """
    folder = Path(folder)
    settings = read_settings(folder)
    if total_steps is not None:
        if total_steps < settings.total_steps:
            raise ValueError(
                f"total_steps must be at least the run's {settings.total_steps}, got {total_steps}"
            )
        settings = dataclasses.replace(settings, total_steps=total_steps)
    state = RunState(settings)
    try:
        load_state(state, folder)
        write_settings(folder, settings)
        return _run(state, folder, run or RunConfig())
    finally:
        state.close()


def _run(state: RunState, folder: Path, run: RunConfig) -> TrainResult:
    """Run the loop with its metrics, display and signals; the state is saved whatever happens."""
    settings = state.settings
    with (
        MetricsWriter(folder, run.tensorboard) as metrics,
        Progress(run.progress, settings.seeds, settings.total_steps) as progress,
        StopSignal() as stopped,
    ):
        if run.tensorboard and not metrics.tensorboard:
            progress.say("tensorboard is not installed: metrics go to metrics.jsonl alone")
        try:
            _loop(state, folder, metrics, progress, stopped)
        finally:
            save_state(state, folder)
        if stopped():
            progress.say(f"stopped; continue with: td7 train --resume {folder}")
    policies = {seed: state.policy(member) for member, seed in enumerate(settings.seeds)}
    return TrainResult(folder, policies, not stopped(), *progress.rates())


def _settings(
    env: str, seeds: Sequence[int], total_steps: int, config: TD7Config, device: str
) -> RunSettings:
    if not seeds or len(set(seeds)) != len(seeds) or min(seeds) < 0:
        raise ValueError(f"seeds must be distinct and not negative, got {list(seeds)}")
    if total_steps < 1:
        raise ValueError(f"total_steps must be at least 1, got {total_steps}")
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0]
        raise ValueError(f"device must be there, got {device!r}: {reason}") from error
    threads = torch.get_num_threads()
    return RunSettings(env, tuple(seeds), total_steps, device, threads, config)


def _loop(
    run: RunState,
    folder: Path,
    metrics: MetricsWriter,
    progress: Progress,
    stopped: Callable[[], bool],
) -> None:
    """Run rounds: every member collects one assessment, then all debts are trained together."""
    members, config = range(len(run.settings.seeds)), run.settings.config
    started = time.monotonic()

    def evaluate_through(member: int, env_steps: int) -> None:
        """Evaluate at every due step up to this one, and write the policy out."""
        while (due := _next_evaluation(run, member)) is not None and due <= env_steps:
            row = _evaluate(run, member, due)
            metrics.write(row | {"time/wall_s": time.monotonic() - started})
            run.policy(member).save(policy_folder(folder, run.settings.seeds[member]))
            progress.evaluation(member, due, row["eval/mean_reward"])

    for member in members:
        evaluate_through(member, 0)
    while not stopped() and not run.finished():
        for member in members:
            if run.debts[member] == 0:
                accepted = _collect(run, member, progress, stopped)
                # the checkpoint is still the one of the steps before the assessment's last
                evaluate_through(member, run.collectors[member].env_steps - 1)
                if accepted:
                    run.learner.set_checkpoint(member)
                    run.checkpoint_steps[member] = run.collectors[member].env_steps
        if all(run.learning):
            progress.learning_started()
        owed = [debt > 0 for debt in run.debts]
        train_burst(run.learner, run.replay, run.debts, run.update_metrics, progress, stopped)
        for member in members:
            if run.debts[member] > 0:
                continue  # a stop cut the burst
            if run.recent_episodes[member] and run.learning[member]:
                row = _round_row(run, member)
                metrics.write(row | {"time/wall_s": time.monotonic() - started})
                progress.note(member, row)
            if owed[member] and config.use_checkpoints:
                run.rules[member].add_burst(run.learner.updates[member])
            evaluate_through(member, run.collectors[member].env_steps)


def _collect(run: RunState, member: int, progress: Progress, stopped: Callable[[], bool]) -> bool:
    """Collect one assessment (or a warm-up episode, or one step without checkpoints).

    Sets the member's debt, and returns whether its policy becomes the checkpoint.
    """
    config, collector = run.settings.config, run.collectors[member]
    policy = run.policy_module(member, "current")
    while collector.env_steps < run.settings.total_steps and not stopped():
        learning = run.learning[member]
        episode = collector.step(policy, random_action=not learning)
        progress.env_steps[member] = collector.env_steps
        if episode is not None:
            run.recent_episodes[member].append(episode)
        if learning and not config.use_checkpoints:
            run.debts[member] = 1
            return False
        if episode is not None and learning:
            rule = run.rules[member]
            decision = rule.add_episode(episode.episode_return, episode.length)
            if decision is not Decision.CONTINUE:
                run.debts[member] = rule.debt
                return decision is Decision.ACCEPT
        elif episode is not None and collector.env_steps > config.warmup_steps:
            run.learning[member] = True
            run.recent_episodes[member].clear()
            return False
    return False


def _next_evaluation(run: RunState, member: int) -> int | None:
    """Return the step of the next evaluation: 0, eval_every, ..., and total_steps."""
    total, every = run.settings.total_steps, run.settings.config.eval_every
    last = run.evaluated[member]
    return min(total, (last // every + 1) * every) if last < total else None


def _evaluate(run: RunState, member: int, env_steps: int) -> Row:
    """Evaluate the policy that would be exported, without noise."""
    # the evaluation environment is seeded once; its stream continues
    seed = run.settings.seeds[member] + EVAL_SEED_OFFSET if run.evaluated[member] < 0 else None
    policy = run.policy_module(member, run.evaluated_policy)
    episodes = run.settings.config.eval_episodes
    returns, lengths = evaluate(run.eval_envs[member], policy, episodes, seed)
    run.evaluated[member] = env_steps
    return {
        "event": "evaluation",
        "seed": run.settings.seeds[member],
        "env_steps": env_steps,
        "updates": run.learner.updates[member],
        "policy": run.evaluated_policy,
        "returns": returns,
        "eval/mean_reward": float(np.mean(returns)),
        "eval/std_reward": float(np.std(returns)),
        "eval/mean_ep_length": float(np.mean(lengths)),
    }


def _round_row(run: RunState, member: int) -> Row:
    """Describe a round: its noisy episodes, its burst, and what shows a run going wrong."""
    episodes, rule = run.recent_episodes[member], run.rules[member]
    env_steps = run.collectors[member].env_steps
    learner = run.learner
    row: Row = {
        "event": "round",
        "seed": run.settings.seeds[member],
        "env_steps": env_steps,
        "updates": learner.updates[member],
        "rollout/ep_rew_mean": float(np.mean([e.episode_return for e in episodes])),
        "rollout/ep_rew_min": min(e.episode_return for e in episodes),
        "rollout/ep_len_mean": float(np.mean([e.length for e in episodes])),
        "rollout/assessment_episodes": len(episodes),
        "rollout/assessment_steps": sum(e.length for e in episodes),
        "checkpoint/score": rule.best_min_return,
        "checkpoint/age_steps": env_steps - run.checkpoint_steps[member],
        "train/min_target": learner.min_target[member].item(),
        "train/max_target": learner.max_target[member].item(),
    }
    episodes.clear()
    return row | run.update_metrics.pop(member)
