"""The run folder: settings, machine, metrics, tensorboard/, bundle/, state/, policy/ (links)."""

from __future__ import annotations

import dataclasses
import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from td7.config import CONFIGS, AlgorithmConfig
from td7.files.json_checks import (
    either,
    exactly,
    flag,
    integer,
    items,
    mapping,
    number,
    record,
    text,
)
from td7.files.path_names import checked_path
from td7.files.whole import read_json, write_json
from td7.run.dataset_facts import FACTS, DatasetFacts
from td7.run.replaced import ASIDE, check_only_td7s, set_aside

SCHEMA = "td7.run/1"
MOST_STEPS = 2**53 - 1
MOST_SEEDS = 2**20
DEVICE = "cpu|cuda(:[0-9]{1,4})?"
SETTINGS = record(
    {
        "env": text(r"(?s).{1,4096}", "the name of an environment"),
        "seeds": items(integer(0, 2**64 - 1), 1, MOST_SEEDS),
        "total_steps": integer(1, MOST_STEPS),
        "device": text(DEVICE, "cpu, cuda or cuda:N"),
        "torch_threads": integer(1, 2**20),
        "algorithm": exactly(*CONFIGS),
        # its own fields it checks itself
        "config": mapping(
            "[a-z_]{1,60}", either(flag, either(number(), text(".{0,60}", ""))), 1000
        ),
        "dataset": either(exactly(None), FACTS),
        "start": either(exactly(None), text(r"(?s).{1,4096}", "the name of a run")),
        "kept_replay": flag,
        "wide_seeds": flag,
        "env_folder": either(exactly(None), text(r"(?s).{1,4096}", "a folder")),
        "env_folder_from_run": either(exactly(None), text(r"(?s).{1,4096}", "a folder")),
    }
)
# those behind the first are of a run whose replacement was cut short
CONFIG_FILES = ("config.json", f"{ASIDE}/config.json", "config.json.old")
FIRST_STATE = "state.first"  # where a state is saved before there is a run
BEGUN = {"lock", "config.json.partial", FIRST_STATE}  # what a start that failed may leave


@dataclass(frozen=True)
class RunSettings:
    """What config.json records: everything that a run's result depends on.

    total_steps of each seed are in units of `clock`.
    """

    env: str
    seeds: tuple[int, ...]
    total_steps: int
    device: str
    torch_threads: int
    config: AlgorithmConfig
    dataset: DatasetFacts | None = None  # what an offline run learns from
    start: str | None = None  # the run whose networks it began with
    kept_replay: bool = False  # and whose transitions
    wide_seeds: bool = False  # of 64 bits for every environment, as runs of before have
    env_folder: str | None = None  # of the environment's code, where its name is FILE.py or MODULE
    env_folder_from_run: str | None = None  # the same, from the run folder

    @property
    def offline(self) -> bool:
        """Whether the run learns from a data set alone."""
        return self.dataset is not None

    @property
    def clock(self) -> Literal["env_steps", "updates"]:
        """What counts towards total_steps and eval_every."""
        return "updates" if self.offline else "env_steps"

    def to_json(self) -> dict[str, Any]:
        """Return the JSON object that config.json holds."""
        algorithm = {"algorithm": self.config.algorithm}
        return {"schema": SCHEMA} | algorithm | dataclasses.asdict(self)


def policy_folder(run: Path, seed: int) -> Path:
    """Return the folder of one seed's policy."""
    return run / "policy" / f"seed-{seed}"


def default_folder(settings: RunSettings) -> Path:
    """Return runs/[offline-]ENV-seed-N or ...-seeds-FIRST-LAST; odd characters become dashes."""
    env, seeds = settings.env, settings.seeds
    env = ("offline-" if settings.offline else "") + (Path(env).name if ".py:" in env else env)
    name = "".join(c if c.isalnum() or c in "-_." else "-" for c in env)
    suffix = f"seed-{seeds[0]}" if len(seeds) == 1 else f"seeds-{seeds[0]}-{seeds[-1]}"
    return Path("runs") / f"{name}-{suffix}"


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold a run's folder, made if need be; RuntimeError if another process trains there."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise RuntimeError(f"{folder} is in use: another process trains this run") from None
        yield  # the lock ends with the process, however that ends


def check_free(folder: Path, overwrite: bool) -> None:
    """Raise FileExistsError if the folder holds a run not to be replaced, or something else.

    Only a folder whose config.json is of td7's schema holds a run.
    """
    checked_path(folder, "out")
    if any(_is_config(folder / name) for name in CONFIG_FILES):
        if not overwrite:
            raise FileExistsError(
                f"{folder} already holds a run: continue it with --resume {folder}, "
                "or replace it with --overwrite"
            )
        check_only_td7s(folder)
    elif folder.exists() and (
        not folder.is_dir() or {path.name for path in folder.iterdir()} - BEGUN
    ):
        raise FileExistsError(f"{folder} exists and holds no run: choose another folder")


def _is_config(path: Path) -> bool:
    try:
        read_json(path, SCHEMA)
    except ValueError:
        return False
    return True


def make_run_folder(folder: Path, settings: RunSettings) -> None:
    """Write the config.json of a new run; the run that was there is set aside."""
    set_aside(folder)
    write_settings(folder, settings)


def write_settings(folder: Path, settings: RunSettings) -> None:
    """Write config.json atomically."""
    write_json(folder / "config.json", settings.to_json())


def read_settings(folder: Path) -> RunSettings:
    """Read config.json; raises ValueError, naming the folder, when it holds no run."""
    path = checked_path(folder, "run") / "config.json"
    if not path.is_file():
        aside = folder / ASIDE / "config.json"
        hint = f"; td7 train --resume {folder} puts back the one in {ASIDE}/"
        raise ValueError(f"{folder} holds no run (no config.json){hint if aside.exists() else ''}")
    # added since td7.run/1
    before: dict[str, Any] = {"algorithm": "td7", "dataset": None, "start": None}
    before |= {"kept_replay": False, "wide_seeds": True}
    before |= {"env_folder": None, "env_folder_from_run": None}
    content = before | read_json(path, SCHEMA)
    try:
        SETTINGS(content, "")
        if len(set(content["seeds"])) < len(content["seeds"]):
            raise ValueError("seeds must be distinct")
        content["config"] = CONFIGS[content.pop("algorithm")](**content["config"])
        content["seeds"] = tuple(content["seeds"])
        if content["dataset"] is not None:
            content["dataset"] = DatasetFacts(**content["dataset"])
        return RunSettings(**content)
    except (ValueError, TypeError) as error:
        raise ValueError(f"{path} is not a run's configuration: {error}") from error
