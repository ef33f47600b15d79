"""What was typed on the command line: options that would do nothing are refused by name.

Values cannot tell: an option that is typed with its default is typed all the same.
"""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from td7.config import CONFIGS

ASSESSMENT = (
    "assessment-episodes",
    "late-assessment-episodes",
    "late-after-updates",
    "reset-weight",
)
ONLINE = ("exploration-noise", "warmup-steps", "num-envs", "use-checkpoints", *ASSESSMENT)
OFFLINE = ("bc-weight", "offline-loss")
WITH_RESUME = (
    "total-steps",
    "env",
    "num-threads",
    "scratch-dir",
    "save-every-s",
    "save-every-steps",
    "progress",
    "tensorboard",
)
DEFAULT = "td7"
SIZES = ("embedding-size", "encoder-hidden", "critic-hidden", "actor-hidden")
REPLAY = ("buffer-capacity", "lap-alpha", "min-priority", "num-envs")


@dataclass(frozen=True)
class Typed:
    """The options of one command, without dashes and `no-`, as typed, and their values."""

    names: tuple[str, ...]
    values: tuple[str, ...]  # empty for a flag
    args: tuple[str, ...] = ()  # all that was typed

    def value(self, name: str) -> str | None:
        """Return the text of an option's value, None where it was not typed."""
        return self.values[self.names.index(name)] if name in self.names else None

    def refuse(self, names: Sequence[str], why: str) -> None:
        """Raise ValueError if one of these options was typed."""
        if found := [f"--{name}" for name in self.names if name in names]:
            raise ValueError(f"{why}: leave out {', '.join(found)}")


def typed_options(args: Sequence[str]) -> Typed:
    """Return the options among arguments; underscores are dashes, and -o is --out."""
    names, values = [], []
    for place, arg in enumerate(args):
        if arg != "-o" and not arg.startswith("--"):
            continue
        name, equals, value = arg.partition("=")
        name = "out" if name == "-o" else name.removeprefix("--").replace("_", "-")
        following = args[place + 1] if place + 1 < len(args) else ""
        names.append(name.removeprefix("no-"))
        values.append(value if equals else following)
        if name.startswith("no-"):
            values[-1] = "False"
    return Typed(tuple(names), tuple(values), tuple(args))


def check_options(args: Sequence[str]) -> None:
    """Raise ValueError, naming it, for an option that is typed twice or would do nothing."""
    if not args or {"-h", "--help"} & set(args):
        return
    typed = typed_options(args[1:])
    for name, count in Counter(typed.names).items():
        if count > 1:
            raise ValueError(f"--{name} was given {count} times: give it once")
    if args[0] in CHECKS:
        CHECKS[args[0]](typed)


def chosen_algorithm(args: Sequence[str]) -> str:
    """Return the algorithm of a command line: that of --algorithm, or of the run in --from."""
    typed = typed_options(args[1:])
    chosen = typed.value("algorithm")
    if chosen is None and args[:1] == ["train"] and (start := typed.value("from")):
        from td7.run.folder import read_settings  # not before --help

        chosen = read_settings(Path(start)).config.algorithm
    return chosen if chosen in CONFIGS else DEFAULT


def _check_algorithm(typed: Typed, algorithm: str) -> None:
    """Refuse settings that other algorithms have and the chosen one has not."""
    for name in typed.names:
        having = [
            other
            for other, config in CONFIGS.items()
            if name.replace("-", "_") in {field.name for field in dataclasses.fields(config)}
        ]
        if having and algorithm not in having:
            raise ValueError(
                f"--{name} is a setting of {' and '.join(having)}, not of {algorithm}: leave it out"
            )


def _check_train(typed: Typed) -> None:
    _check_algorithm(typed, chosen_algorithm(["train", *typed.args]))
    if "resume" in typed.names:
        other = [name for name in typed.names if name not in ("resume", *WITH_RESUME)]
        allowed = ", ".join(f"--{name}" for name in WITH_RESUME)
        why = f"--resume goes on with the run's own settings, and takes only {allowed} beside it"
        typed.refuse(other, why)
        return
    if "from" in typed.names:
        typed.refuse(("env", "seeds"), "--from takes environment and seeds of that run")
        _check_from(typed)
    else:
        typed.refuse(("keep-replay",), "--keep-replay wants --from, the run whose replay is kept")
    typed.refuse(OFFLINE, "these settings act only in td7 offline")
    if typed.value("use-checkpoints") == "False":
        typed.refuse(ASSESSMENT, "without checkpoints there are no assessments")
    _check_evaluation(typed)


def _check_from(typed: Typed) -> None:
    """Refuse a size that differs from that of the run to start from, be it the default."""
    from td7.run.folder import read_settings  # not before --help

    start = Path(typed.value("from") or "")
    config = read_settings(start).config
    keeps = "keep-replay" in typed.names and typed.value("keep-replay") != "False"
    for name in (*SIZES, *(REPLAY if keeps else ())):
        field, text = name.replace("-", "_"), typed.value(name)
        wanted, kind = getattr(config, field, 0), type(config).__name__
        if text is not None and not _same_number(text, wanted):
            raise ValueError(f"{kind}.{field} must be {wanted} as in {start}, got {text}")


def _same_number(text: str, wanted: float) -> bool:
    try:
        return float(text.replace("_", "")) == wanted
    except ValueError:
        return True  # the parser says what it is


def _check_offline(typed: Typed) -> None:
    typed.refuse(ONLINE, "offline no environment is stepped but for evaluations")
    if typed.value("offline-loss") == "bc":
        typed.refuse(("bc-weight",), "with --offline-loss bc the actor only clones")
    _check_evaluation(typed)


def _check_evaluation(typed: Typed) -> None:
    if (episodes := typed.value("eval-episodes")) is not None and _same_number(episodes, 0):
        unused = ("eval-max-steps", "eval-in-training-env")
        typed.refuse(unused, "with --eval-episodes 0 there are no evaluations")


def _check_collect(typed: Typed) -> None:
    if typed.value("policy") == "random":
        typed.refuse(("noise",), "with --policy random actions are uniform")


CHECKS: dict[str, Callable[[Typed], None]] = {
    "train": _check_train,
    "offline": _check_offline,
    "collect": _check_collect,
}
