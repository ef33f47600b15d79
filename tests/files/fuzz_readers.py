"""The readers that tests/fuzz.py feeds with altered files, each with whole ones to begin from."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dataset_files
import fuzz_mutations as mutations
import torch
from safetensors.torch import save_file

import toy_envs
from td7 import LapReplay
from td7.config import RunConfig, TD7Config
from td7.datasets.fill import fill
from td7.datasets.source import open_dataset
from td7.deploy.bundle import SCHEMA, TOLERANCE, graphs, interface
from td7.deploy.verify import verify
from td7.envs.signals import Signals
from td7.files.json_checks import naming
from td7.files.manifest import read_manifest, write_manifest
from td7.files.tensors import read_arrays, read_tensors
from td7.files.whole import read_json
from td7.policy.saved import Policy, load_policy
from td7.run import saving
from td7.run.counter_checks import check_actions, check_counters, most_action_bytes
from td7.run.folder import RunSettings, make_run_folder, read_settings
from td7.run.state import RunState
from td7.study.plot import evaluation_curves

SMALL = TD7Config(
    batch_size=4,
    buffer_capacity=300,
    num_envs=2,
    assessment_episodes=2,
    warmup_steps=10,
    embedding_size=2,
    encoder_hidden=3,
    critic_hidden=3,
    actor_hidden=3,
    eval_episodes=2,
    execution="eager",
)


@dataclass(frozen=True)
class Reader:
    """`alter` writes one altered input, `read` reads it; a refusal names one of `files`."""

    name: str
    files: tuple[str, ...]
    alter: Callable[[random.Random], None]
    read: Callable[[], Any]
    share: int  # of a hundred inputs


class Files:
    """Whole files in a folder, altered one at a time and put back."""

    def __init__(self, folder: Path, *names: str) -> None:
        self.paths = [folder / name for name in names]
        self.whole = [path.read_bytes() for path in self.paths]
        self._altered: int | None = None

    def restore(self) -> None:
        """Put back the one that was altered."""
        if self._altered is not None:
            self.paths[self._altered].write_bytes(self.whole[self._altered])
        self._altered = None

    def alter(self, rng: random.Random) -> None:
        """Alter one of them."""
        self.restore()
        place = rng.randrange(len(self.paths))
        content, other = self.whole[place], rng.choice(self.whole)
        if self.paths[place].suffix == ".safetensors":
            content = mutations.altered_tensors(rng, content, other)
        elif rng.randrange(4) == 0:
            content = mutations.altered_bytes(rng, content, other)
        else:
            value = mutations.altered_json(rng, json.loads(content))
            content = mutations.json_bytes(rng, value)
        self.paths[place].write_bytes(content)
        self._altered = place


def make_run(folder: Path) -> RunState:
    """Make a run with episodes under way, updates made and updates owed, and save its state."""
    toy_envs.register()
    settings = RunSettings("Toy/Point-v0", (3, 4), 400, "cpu", 1, SMALL)
    run = RunState(settings, RunConfig(tensorboard=False, progress="none"))
    folder.mkdir()
    make_run_folder(folder, run.settings)
    for left in (60, 25):
        for member in range(2):
            run.collector.begin(member, 2)
        run.collector.run(
            run.collecting_policies([0, 1]), ["random"] * 2, [left, left], lambda: False
        )
        if left == 60:
            run.collector.cut()
            run.members[0].debt, run.members[1].debt = 7, 5
            for group in run.groups:
                with run.debts(group) as debts:
                    group.train(debts, lambda: False)
            run.members[0].debt, run.members[1].debt = 2, 0
    saving.save_state(run, folder, wall_s=1.5, metrics_bytes=0)
    return run


def make_bundle(run: RunState, folder: Path) -> None:
    """Make a bundle without graphs: weights and vectors alone."""
    folder.mkdir()
    module = run.policy_module(0, "current")
    obs = torch.linspace(-1, 1, 5 * module.obs_size).reshape(5, -1)
    vectors = {"obs": obs, "actions": module(obs)}
    for graph, inputs, output in graphs(module).values():
        vectors[output] = graph(*(vectors[key] for key in inputs))
    save_file(module.state_dict(), folder / "policy.safetensors")
    save_file(vectors, folder / "vectors.safetensors")
    facts = {"env": "Toy/Point-v0", **interface(module, Signals())}
    write_manifest(folder, SCHEMA, **facts, tolerance=TOLERANCE, variants={})


def make_readers(folder: Path) -> list[Reader]:
    """Make the whole files below a folder, and what reads them."""
    run = make_run(folder / "run")
    state = folder / "run" / "state"
    return [
        *_state_readers(run, folder, state),
        _manifest_reader(folder / "folder"),
        _policy_reader(run, folder / "policy"),
        _bundle_reader(run, folder / "bundle"),
        *_run_readers(folder / "run"),
        *(_dataset_reader(folder / f"toy.{kind}", kind) for kind in ("hdf5", "npz")),
    ]


def _state_readers(run: RunState, folder: Path, state: Path) -> list[Reader]:
    text = (state / "counters.json").read_text()
    content = json.loads(text)
    del content["schema"]
    whole, members = json.dumps(content), content["members"]
    parsed: list[Any] = [None]

    def alter_counters(rng: random.Random) -> None:
        parsed[0] = mutations.altered_json(rng, json.loads(whole))

    def read_counters() -> None:
        with naming(Path("counters.json")):
            check_counters(parsed[0], run.settings, native=False)

    def read_file() -> None:
        path = state / "counters.json"
        counters = read_json(path, saving.SCHEMA)
        with naming(path):
            check_counters(counters, run.settings, native=False)

    def read_actions() -> None:
        path, size = state / "episodes.safetensors", run.rollouts.action_space.shape[0]
        actions = read_arrays(path, most_action_bytes(members, size))
        with naming(path):
            check_actions(actions, members, size)

    def read_learner() -> None:
        path = state / "learner.safetensors"
        tensors = read_tensors(path, run.learners.nbytes() + 2**20)
        with naming(path):
            run.learners.load(tensors, content["updates"])

    files = {name: Files(state, name) for name in ("counters.json", "episodes.safetensors")}
    learner = Files(state, "learner.safetensors")
    every = Files(state, "counters.json", "episodes.safetensors", "learner.safetensors")

    def alter_state(rng: random.Random) -> None:
        every.alter(rng)
        (state / "manifest.json").unlink()
        write_manifest(state, saving.SCHEMA)

    names = tuple(path.name for path in every.paths)
    return [
        Reader("counters", ("counters.json",), alter_counters, read_counters, 40),
        Reader("counters.json", ("counters.json",), files["counters.json"].alter, read_file, 10),
        Reader(
            "episodes.safetensors",
            ("episodes.safetensors",),
            files["episodes.safetensors"].alter,
            read_actions,
            10,
        ),
        Reader("learner.safetensors", ("learner.safetensors",), learner.alter, read_learner, 3),
        Reader("state", names, alter_state, lambda: saving.load_state(run, folder / "run"), 1),
    ]


def _dataset_reader(path: Path, kind: str) -> Reader:
    arrays = dataset_files.flat(dataset_files.episodes())
    (dataset_files.write_hdf5 if kind == "hdf5" else dataset_files.write_npz)(path, arrays)
    whole, spaces = path.read_bytes(), (dataset_files.OBS, dataset_files.ACTION)

    def alter(rng: random.Random) -> None:
        path.write_bytes(mutations.altered_bytes(rng, whole, whole))

    def read() -> None:
        fill([(LapReplay(1000, 3, 2), 0)], open_dataset(path), "Toy/Point-v0", *spaces)

    return Reader(kind, (path.name,), alter, read, 2)


def _manifest_reader(folder: Path) -> Reader:
    (folder / "inner").mkdir(parents=True)
    names = ("one", "two", "inner/three")
    for name in names:
        (folder / name).write_text(name)
    write_manifest(folder, "test/1", fact=[1, 2])
    files = Files(folder, "manifest.json")

    def alter(rng: random.Random) -> None:
        files.alter(rng)
        mutations.sign_manifest(rng, folder / "manifest.json")

    return Reader(
        "manifest.json",
        ("manifest.json", str(folder)),
        alter,
        lambda: read_manifest(folder, "test/1"),
        9,
    )


def _policy_reader(run: RunState, folder: Path) -> Reader:
    Policy(run.policy_module(0, "current"), run.policy(0, 5).metadata).save(folder)
    files = Files(folder, "policy.json", "policy.safetensors")
    return Reader(
        "policy",
        ("policy.json", "policy.safetensors"),
        files.alter,
        lambda: load_policy(folder),
        10,
    )


def _bundle_reader(run: RunState, folder: Path) -> Reader:
    make_bundle(run, folder)
    facts = json.loads((folder / "manifest.json").read_text())
    for name in ("schema", "sha256", "manifest_sha256"):
        del facts[name]
    files = Files(folder, "policy.safetensors", "vectors.safetensors")
    manifest = folder / "manifest.json"

    def alter(rng: random.Random) -> None:
        files.restore()
        if rng.randrange(2):
            files.alter(rng)
        manifest.unlink(missing_ok=True)
        write_manifest(folder, SCHEMA, **facts)
        if rng.randrange(2):
            value = mutations.altered_json(rng, json.loads(manifest.read_bytes()))
            manifest.write_bytes(mutations.json_bytes(rng, value))
            mutations.sign_manifest(rng, manifest)

    return Reader("bundle", (str(folder),), alter, lambda: verify(folder), 3)


def _run_readers(folder: Path) -> list[Reader]:
    rows = [
        {"event": "round", "seed": 3, "env_steps": 50, "checkpoint/score": None},
        *(
            {
                "event": "evaluation",
                "seed": seed,
                "env_steps": 0,
                "updates": 0,
                "eval/mean_reward": -1.5,
            }
            for seed in (3, 4)
        ),
    ]
    metrics = folder / "metrics.jsonl"
    config = Files(folder, "config.json")

    def alter_metrics(rng: random.Random) -> None:
        config.restore()
        lines = [json.dumps(row).encode() for row in rows]
        place = rng.randrange(len(lines))
        if rng.randrange(2):
            value = mutations.altered_json(rng, json.loads(lines[place]))
            lines[place] = mutations.json_bytes(rng, value)
        else:
            lines[place] = mutations.altered_bytes(rng, lines[place], lines[0])
        metrics.write_bytes(b"\n".join(lines))

    return [
        Reader("config.json", ("config.json",), config.alter, lambda: read_settings(folder), 6),
        Reader(
            "metrics.jsonl",
            ("metrics.jsonl", "has no evaluation yet"),
            alter_metrics,
            lambda: evaluation_curves(folder),
            4,
        ),
    ]
