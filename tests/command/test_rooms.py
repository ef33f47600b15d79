"""The house stands: imports follow the order of the rooms, and the way to the gradient is short."""

import ast
from pathlib import Path

import pytest

import td7
from td7.config import TD7Config
from td7.updates.learner import Learner

PACKAGE = Path(td7.__file__).parent
# A room imports from those before it, never from those behind.
ORDER = (
    "config checks extension draws machine terminal torch_settings files replay envs agent policy "
    "updates rollout run datasets deploy training study examples typed_options command_errors "
    "doctor demo cli"
).split()
CALLS = 7


def imports():
    """Yield (importing room, imported room, place) for every import within the package."""
    for path in PACKAGE.rglob("*.py"):
        relative = path.relative_to(PACKAGE)
        room = relative.parts[0].removesuffix(".py")
        for node in ast.walk(ast.parse(path.read_text())):
            if not isinstance(node, ast.ImportFrom) or not (node.module or "").startswith("td7"):
                continue
            modules = [node.module]
            if node.module == "td7":
                modules = [f"td7.{name.name}" for name in node.names]
            for module in modules:
                yield room, module.split(".")[1], f"{relative}:{node.lineno}"


def test_no_import_runs_against_the_order_of_rooms():
    against = [
        (place, imported)
        for room, imported, place in imports()
        if room in ORDER and imported in ORDER and ORDER.index(imported) > ORDER.index(room)
    ]
    assert against == []


def test_every_room_has_its_place_in_the_order():
    rooms = {path.name.removesuffix(".py") for path in PACKAGE.iterdir() if path.suffix == ".py"}
    rooms |= {path.parent.name for path in PACKAGE.glob("*/__init__.py")}
    assert rooms - {"__init__"} <= {*ORDER, "_core"}


def test_no_room_but_config_and_the_table_knows_an_algorithm_by_name():
    allowed = {"config.py", "agent/__init__.py", "agent/td3.py", "__init__.py"}
    allowed.add("agent/losses.py")  # which cites the paper
    knowing = {
        str(path.relative_to(PACKAGE))
        for path in PACKAGE.rglob("*.py")
        if "td3" in path.read_text().lower().replace("td3+bc", "")
    }
    assert knowing <= allowed


def test_the_way_from_the_command_line_to_the_gradient_is_short(quiet, small_config, monkeypatch):
    import traceback

    from td7 import cli

    depths, step = [], Learner.step

    def counted(learner, *args):
        frames = [frame.filename for frame in traceback.extract_stack()]
        first = max(place for place, name in enumerate(frames) if name == cli.__file__)
        own = [name for name in frames[first + 1 :] if name.startswith(str(PACKAGE))]
        depths.append(len(own) + 1)  # the call of Learner.step itself
        return step(learner, *args)

    monkeypatch.setattr(Learner, "step", counted)
    config, defaults = small_config(execution="eager"), TD7Config()
    options = [
        f"--{name.replace('_', '-')}={getattr(config, name)}"
        for name in TD7Config.__dataclass_fields__
        if getattr(config, name) != getattr(defaults, name)
    ]
    options += ["--total-steps", "300", "--out", str(quiet().out), "--no-tensorboard"]
    with pytest.raises(SystemExit) as ended:
        cli.main(["train", "--env", "Toy/Point-v0", "--progress", "none", *options])
    assert not ended.value.code and depths
    assert max(depths) <= CALLS
