"""Collects a Minari data set with the policies of a run: to learn from offline, or to share."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal, get_args

import gymnasium
import numpy as np
from gymnasium.envs.registration import EnvSpec
from gymnasium.spaces import Box

from td7.envs.vector_args import at_least
from td7.files.path_names import NEW_NAME, checked_path
from td7.files.whole import sync
from td7.policy.acting import acts_in_cpp, make_acting
from td7.policy.saved import Policy
from td7.rollout import Behaviour, Rollouts, Rows, open_rollouts
from td7.rollout.rollouts import env_seeds
from td7.run.dataset_facts import DatasetFacts, reference_scores
from td7.run.environment import env_of_run
from td7.run.folder import read_settings
from td7.run.policies import policy_of_run

Kind = Literal["evaluated", "checkpoint", "current", "random", "mixture"]
AT_ONCE = 8  # episodes of each policy; the data depend on it, so it is no option


def collect(
    run: str | Path,
    out: str | Path,
    *,
    steps: int,
    policy: Kind = "evaluated",
    seed: int | None = None,
    noise: float = 0.1,
    collect_seed: int = 0,
    num_threads: int = 0,
    max_steps: int | None = None,
    env: str | None = None,
) -> DatasetFacts:
    """Collect `steps` transitions with a run's policy and write them to the new folder `out`.

    `evaluated` is the run's checkpoint policy, or its current one where it keeps no checkpoints.
    They act with normal noise, its deviation `noise` in units of half an action's range; `random`
    is uniform; `mixture` takes an episode of each in turn. The last episode is cut where the steps
    are done, and any episode after max_steps (by default the run's eval_max_steps); the run's own
    max_episode_steps holds here, too. `env` takes the place of the run's environment: one of the
    same sizes and bounds. Rows are float32. Where `out` lies below Minari's own folder,
    `minari.load_dataset` finds it. Raises ValueError for a bad argument or a run without that
    policy, FileExistsError where `out` exists.
    """
    run, out = Path(run).absolute(), checked_path(out, "out", NEW_NAME).absolute()
    steps = at_least(1, steps, "steps")
    collect_seed = at_least(0, collect_seed, "collect_seed", most=2**64 - 1)
    if policy not in get_args(Kind):
        raise ValueError(f"policy must be {', '.join(get_args(Kind))}, got {policy!r}")
    if not 0 <= noise <= 10:
        raise ValueError(f"noise must be from 0 to 10, got {noise}")
    settings = read_settings(run)
    if max_steps is None:
        max_steps = settings.config.eval_max_steps
    max_steps = at_least(1, max_steps, "max_steps")
    name = _dataset_id(out)
    if out.exists():
        raise FileExistsError(f"{out} exists: choose another folder for the data set")
    at_once = 1 if settings.config.one_env else AT_ONCE
    if policy == "mixture" and settings.config.one_env:
        raise ValueError(
            f"policy must not be mixture, which opens several environments: {run} has one"
        )
    policies, behaviours = _policies(run, seed, policy, noise)
    found = env_of_run(run, settings, env, policies[0].module)
    policies[0].metadata["env"] = found
    rollouts = open_rollouts(
        found,
        env_seeds(collect_seed, len(policies)),
        at_once,
        num_threads=num_threads,
        exploration_noise=noise,
        policy_in_cpp=acts_in_cpp(policies[0].module.parts),
        wide_seeds=settings.wide_seeds,
        max_episode_steps=settings.config.max_episode_steps,
    )
    out.parent.mkdir(parents=True, exist_ok=True)
    aside = TemporaryDirectory(prefix=f"{out.name}.", suffix=".partial", dir=out.parent)
    with closing(rollouts), aside as partial:
        waves = _waves(rollouts, policies, behaviours, steps, max_steps)
        facts = _write(Path(partial), name, waves, rollouts, policies[0], policy)
        whole = Path(partial) / name
        for path in sorted(whole.rglob("*")):
            sync(path)
        whole.rename(out)
        sync(out.parent)
    return facts


def _dataset_id(out: Path) -> str:
    """Return the name under which Minari would know this folder; ValueError for a bad one."""
    try:
        from minari.dataset.minari_dataset import parse_dataset_id
        from minari.storage import get_dataset_path
    except ImportError as error:
        raise ValueError("Minari's data sets need it: pip install 'td7[offline]'") from error

    root, path = get_dataset_path().resolve(), out.resolve()
    name = path.relative_to(root).as_posix() if path.is_relative_to(root) else path.name
    try:
        parse_dataset_id(name)
    except (ValueError, TypeError):
        raise ValueError(f"out must be named as Minari wants, NAME-v0, got {out}") from None
    return name


@contextmanager
def minari_root(folder: Path) -> Iterator[None]:
    """Let Minari write below this folder."""
    variable = "MINARI_DATASETS_PATH"
    before = os.environ.get(variable)
    os.environ[variable] = str(folder.absolute())  # Minari joins relative ones twice
    try:
        yield
    finally:
        if before is None:
            del os.environ[variable]
        else:
            os.environ[variable] = before


def _policies(
    run: Path, seed: int | None, kind: Kind, noise: float
) -> tuple[list[Policy], list[Behaviour]]:
    """Return the policies that take turns, and how they act."""
    known: Behaviour = "explore" if noise > 0 else "greedy"
    checkpoints = read_settings(run).config.use_checkpoints
    if kind == "checkpoint" and not checkpoints:
        raise ValueError(f"policy must be another one: {run} keeps no checkpoints")
    if kind == "random":
        return [policy_of_run(run, seed, None)], ["random"]
    if kind == "mixture":
        policies = [policy_of_run(run, seed, "current")]
        if checkpoints:
            policies.insert(0, policy_of_run(run, seed, "checkpoint"))
        return [*policies, policies[0]], [known] * len(policies) + ["random"]
    return [policy_of_run(run, seed, None if kind == "evaluated" else kind)], [known]


def _waves(
    rollouts: Rollouts,
    policies: Sequence[Policy],
    behaviours: Sequence[Behaviour],
    steps: int,
    max_steps: int,
) -> Iterator[list[Rows]]:
    """Return waves of episodes, `steps` transitions in all; actions in the environment's units."""
    acting = [make_acting(policy.module) for policy in policies]
    longest = min(rollouts.max_episode_steps or max_steps, max_steps)
    while steps > 0:
        most = np.full(rollouts.steps.shape, min(steps, longest), np.int64)
        rollouts.run(acting, most, behaviours, lambda: False)
        wave = []
        for sim in range(rollouts.steps.shape[1]):
            for member, policy in enumerate(acting):
                rows = rollouts.rows(member, sim)
                if steps > 0:
                    action = policy.to_env(rows.action[:steps])
                    whole = len(rows.reward) <= steps
                    obs, reward = rows.obs[: steps + 1], rows.reward[:steps]
                    wave.append(Rows(obs, action, reward, rows.terminated and whole))
                    steps -= len(reward)
                rollouts.clear(member, sim)
        yield wave


def _write(
    root: Path,
    name: str,
    waves: Iterator[list[Rows]],
    rollouts: Rollouts,
    policy: Policy,
    kind: Kind,
) -> DatasetFacts:
    """Write root/name as Minari does, wave by wave."""
    import minari
    from minari.data_collector import EpisodeBuffer

    env, space = policy.metadata["env"], rollouts.observation_space
    facts: dict[str, Any] = {
        "env": _unopened(_spec(env)),
        "observation_space": Box(
            space.low.astype(np.float32), space.high.astype(np.float32), dtype=np.float32
        ),
        "action_space": rollouts.action_space,
        "algorithm_name": "TD7",
        "description": f"{kind} policy of TD7, seed {policy.metadata.get('seed')}, after "
        f"{policy.metadata.get('env_steps')} environment steps and "
        f"{policy.metadata.get('updates')} updates",
    }
    low, high = reference_scores(env)
    data, returns, transitions = None, [], 0
    with minari_root(root), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of authors and links that are not told
        for wave in waves:
            buffers = [_buffer(EpisodeBuffer, rows) for rows in wave]
            if data is None:
                data = minari.create_dataset_from_buffers(name, buffers, **facts)
            else:
                data.update_dataset_from_buffer(buffers)
            returns += [float(rows.reward.sum(dtype=np.float64)) for rows in wave]
            transitions += sum(len(rows.reward) for rows in wave)
    return DatasetFacts(name, transitions, len(returns), float(np.mean(returns)), low, high)


def _unopened(spec: EnvSpec | None) -> gymnasium.Env[Any, Any] | None:
    """Return an environment that has a spec alone: Minari would open one from the spec."""
    if spec is None:
        return None
    env: gymnasium.Env[Any, Any] = gymnasium.Env()
    env.spec = spec
    return env


def _spec(env: str) -> EnvSpec | None:
    """Return what makes the environment elsewhere; None for one that only this program knows."""
    if ":" in env:
        return None
    spec = gymnasium.spec(env)
    try:
        spec.to_json()
    except (TypeError, ValueError):  # it was registered with a class
        return None
    return spec


def _buffer(kind: Any, rows: Rows) -> Any:
    """Return an episode as Minari takes it; one that was cut is truncated."""
    ends = np.zeros((2, len(rows.reward)), bool)
    ends[0 if rows.terminated else 1, -1] = True
    return kind(
        observations=rows.obs,
        actions=rows.action,
        rewards=rows.reward,
        terminations=ends[0],
        truncations=ends[1],
    )
