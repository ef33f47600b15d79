"""The state of a run: everything that the loop changes, and how it is saved and restored."""

from __future__ import annotations

import dataclasses
import json
import shutil
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from td7.agent.checkpoint import CheckpointRule
from td7.agent.learner import Learner
from td7.deploy.policy import Policy, PolicyModule, policy_module
from td7.envs import make_env
from td7.files import sha256_of, sync, write_json
from td7.replay import LapReplay
from td7.run_folder import RunSettings
from td7.training.burst import UpdateMetrics
from td7.training.collect import Collector, Episode

SCHEMA = "td7.state/1"
FILES = ("learner.safetensors", "replay.bin", "counters.json")


class RunState:
    """Learner, replay, environments and bookkeeping of every member."""

    def __init__(self, settings: RunSettings) -> None:
        cfg = settings.config
        members = range(len(settings.seeds))
        self.settings = settings
        self.envs = [make_env(settings.env) for _ in members]
        self.eval_envs = [make_env(settings.env) for _ in members]
        space = self.envs[0].action_space
        assert isinstance(space, gymnasium.spaces.Box)
        obs_space = self.envs[0].observation_space
        assert obs_space.shape is not None
        sizes = obs_space.shape[0], space.shape[0]
        self.bounds = {
            "low": torch.tensor(space.low, dtype=torch.float32),
            "high": torch.tensor(space.high, dtype=torch.float32),
        }
        self.learner = Learner(*sizes, settings.seeds, cfg, device=settings.device)
        self.replay = LapReplay(
            cfg.buffer_capacity,
            *sizes,
            seeds=settings.seeds,
            alpha=cfg.lap_alpha,
            min_priority=cfg.min_priority,
        )
        self.collectors = [
            Collector(env, seed, self.replay, member, cfg.exploration_noise)
            for member, (env, seed) in enumerate(zip(self.envs, settings.seeds, strict=True))
        ]
        self.rules = [
            CheckpointRule(
                cfg.assessment_episodes,
                cfg.late_assessment_episodes,
                cfg.late_after_updates,
                cfg.reset_weight,
            )
            for _ in members
        ]
        self.learning = [False for _ in members]
        self.debts = [0 for _ in members]
        self.evaluated = [-1 for _ in members]  # env steps of the last evaluation
        self.checkpoint_steps = [0 for _ in members]
        self.recent_episodes: list[list[Episode]] = [[] for _ in members]
        self.update_metrics = UpdateMetrics(len(members))

    def close(self) -> None:
        """Close the environments."""
        for env in (*self.envs, *self.eval_envs):
            env.close()

    def finished(self) -> bool:
        """Whether every member has taken its steps and paid its debt."""
        total = self.settings.total_steps
        return all(c.env_steps >= total for c in self.collectors) and not any(self.debts)

    @property
    def evaluated_policy(self) -> str:
        """Which policy is evaluated and exported: there is no checkpoint when they are off."""
        return "checkpoint" if self.settings.config.use_checkpoints else "current"

    def policy_module(self, member: int, which: str) -> PolicyModule:
        """Return a frozen copy of one member's policy on the CPU."""
        return policy_module(self.learner.policy_weights(member, which) | self.bounds)

    def policy(self, member: int) -> Policy:
        """Return the policy that is evaluated and exported, with where it comes from."""
        score = self.rules[member].best_min_return
        metadata = {
            "env": self.settings.env,
            "seed": self.settings.seeds[member],
            "policy": self.evaluated_policy,
            "env_steps": self.collectors[member].env_steps,
            "updates": self.learner.updates[member],
            "checkpoint_score": score if np.isfinite(score) else None,
        }
        return Policy(self.policy_module(member, self.evaluated_policy), metadata)


def save_state(run: RunState, folder: Path) -> None:
    """Write the state aside, flush it to the disk and move it into place."""
    partial, final, old = folder / "state.partial", folder / "state", folder / "state.old"
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    save_file(run.learner.tensors(), partial / "learner.safetensors")
    run.replay.save(partial / "replay.bin")
    write_json(partial / "counters.json", _counters(run))
    sums = {name: sha256_of(partial / name) for name in FILES}
    write_json(partial / "manifest.json", {"schema": SCHEMA, "sha256": sums})
    for path in (*partial.iterdir(), partial):
        sync(path)
    shutil.rmtree(old, ignore_errors=True)
    if final.exists():
        final.rename(old)
    partial.rename(final)
    sync(folder)
    shutil.rmtree(old, ignore_errors=True)


def load_state(run: RunState, folder: Path) -> None:
    """Restore a saved state.

    The environments start a new episode: the one that the stop cut stays in the replay as if
    truncated there, and is not assessed. Raises ValueError naming the file that is not as saved.
    """
    final = folder / "state"
    if not final.exists():
        final = folder / "state.old"
    if not (final / "manifest.json").is_file():
        raise ValueError(f"{folder} holds no saved state to resume from")
    manifest = json.loads((final / "manifest.json").read_text(encoding="utf-8"))
    if manifest.get("schema") != SCHEMA:
        raise ValueError(f"{final / 'manifest.json'} is not of schema {SCHEMA}")
    for name in FILES:
        path = final / name
        if not path.is_file() or sha256_of(path) != manifest["sha256"].get(name):
            raise ValueError(f"{path} is missing or not as it was saved")
    counters = json.loads((final / "counters.json").read_text(encoding="utf-8"))
    try:
        run.learner.load(load_file(final / "learner.safetensors"), counters["updates"])
    except SafetensorError as error:
        raise ValueError(f"{final / 'learner.safetensors'} does not parse: {error}") from error
    run.replay.load(final / "replay.bin")
    for member, saved in enumerate(counters["members"]):
        _restore_member(run, member, saved)


def _counters(run: RunState) -> dict[str, Any]:
    members = [
        {
            "env_steps": collector.env_steps,
            "episodes": collector.episodes,
            "rule": {key: _encode(value) for key, value in dataclasses.asdict(rule).items()},
            "learning": run.learning[member],
            "debt": run.debts[member],
            "evaluated": run.evaluated[member],
            "checkpoint_steps": run.checkpoint_steps[member],
            "env_generator": run.envs[member].unwrapped.np_random.bit_generator.state,
            "eval_generator": run.eval_envs[member].unwrapped.np_random.bit_generator.state,
        }
        for member, (collector, rule) in enumerate(zip(run.collectors, run.rules, strict=True))
    ]
    return {"updates": run.learner.updates, "members": members}


def _restore_member(run: RunState, member: int, saved: dict[str, Any]) -> None:
    collector = run.collectors[member]
    collector.env_steps = saved["env_steps"]
    # the generator's stream goes on: an environment that has stepped is never seeded again
    collector.episodes = max(saved["episodes"], min(saved["env_steps"], 1))
    run.rules[member] = CheckpointRule(**{k: _decode(v) for k, v in saved["rule"].items()})
    run.learning[member] = saved["learning"]
    run.debts[member] = saved["debt"]
    run.evaluated[member] = saved["evaluated"]
    run.checkpoint_steps[member] = saved["checkpoint_steps"]
    run.replay.end_episode(member=member)
    for env, name in (
        (run.envs[member], "env_generator"),
        (run.eval_envs[member], "eval_generator"),
    ):
        generator = np.random.Generator(np.random.PCG64())
        generator.bit_generator.state = saved[name]
        env.unwrapped.np_random = generator


def _encode(value: Any) -> Any:
    """JSON has no infinity: the rule's open bars are written as text."""
    return str(value) if value in (float("inf"), float("-inf")) else value


def _decode(value: Any) -> Any:
    return float(value) if isinstance(value, str) else value
