"""The run folder: settings, machine, metrics, tensorboard/, bundle/, state/, policy/ (links)."""

from __future__ import annotations

import dataclasses
import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from td7.config import TD7Config
from td7.datasets.facts import FACTS, DatasetFacts
from td7.files import read_json, write_json
from td7.json_checks import either, exactly, flag, integer, items, mapping, number, record, text
from td7.replaced_run import ASIDE, check_only_td7s, set_aside

SCHEMA = "td7.run/1"
MOST_STEPS = 2**53 - 1
SETTINGS = record(
    {
        "env": text(r"(?s).{1,4096}", "the name of an environment"),
        "seeds": items(integer(0, 2**64 - 1), 1, 2**20),
        "total_steps": integer(1, MOST_STEPS),
        "device": text(r"cpu|cuda(:[0-9]{1,4})?", "cpu, cuda or cuda:N"),
        "torch_threads": integer(1, 2**20),
        # its own fields it checks itself
        "config": mapping(
            "[a-z_]{1,60}", either(flag, either(number(), text(".{0,60}", ""))), 1000
        ),
        "dataset": either(exactly(None), FACTS),
        "start": either(exactly(None), text(r"(?s).{1,4096}", "the name of a run")),
        "kept_replay": flag,
    }
)
# those behind the first are of a run whose replacement was cut short
CONFIGS = ("config.json", f"{ASIDE}/config.json", "config.json.old")
FIRST_STATE = "state.first"  # where a state is saved before there is a run
BEGUN = {"lock", "config.json.partial", FIRST_STATE}  # what a start that failed may leave


@dataclass(frozen=True)
class RunSettings:
    """What config.json records: everything that a run's result depends on.

    total_steps of each seed are environment steps online, updates offline.
    """

    env: str
    seeds: tuple[int, ...]
    total_steps: int
    device: str
    torch_threads: int
    config: TD7Config
    dataset: DatasetFacts | None = None  # what an offline run learns from
    start: str | None = None  # the run whose networks it began with
    kept_replay: bool = False  # and whose transitions

    @property
    def offline(self) -> bool:
        """Whether the run learns from a data set alone."""
        return self.dataset is not None

    def to_json(self) -> dict[str, Any]:
        """Return the JSON object that config.json holds."""
        return {"schema": SCHEMA, **dataclasses.asdict(self)}


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
    if any(_is_config(folder / name) for name in CONFIGS):
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
    path = folder / "config.json"
    if not path.is_file():
        aside = folder / ASIDE / "config.json"
        hint = f"; td7 train --resume {folder} puts back the one in {ASIDE}/"
        raise ValueError(f"{folder} holds no run (no config.json){hint if aside.exists() else ''}")
    later = {"dataset": None, "start": None, "kept_replay": False}  # runs of before have not
    content = later | read_json(path, SCHEMA)
    try:
        SETTINGS(content, "")
        if len(set(content["seeds"])) < len(content["seeds"]):
            raise ValueError("seeds must be distinct")
        content["config"] = TD7Config(**content["config"])
        content["seeds"] = tuple(content["seeds"])
        if content["dataset"] is not None:
            content["dataset"] = DatasetFacts(**content["dataset"])
        return RunSettings(**content)
    except (ValueError, TypeError) as error:
        raise ValueError(f"{path} is not a run's configuration: {error}") from error
