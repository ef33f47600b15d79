"""Tasks found by name: my_robot.py:MyTask and package.module:MyTask."""

import sys

import pytest
from test_task import SLIDER

from td7.envs.task.loading import load_task, names_task
from td7.envs.task.simulations import TaskSimulations

ROBOT = """
from dataclasses import dataclass

import weights
from td7.envs.task import Task

@dataclass
class Limits:  # dataclasses look their module up
    force: float = 2.0

class MyTask(Task):
    model = "robot.xml"

    def observe(self):
        return self.data("qpos")

    def reward(self, action):
        return weights.POSITION * self.data("qpos")[:, 0]

class Other:
    pass
"""


@pytest.fixture
def robot(tmp_path):
    (tmp_path / "robot.xml").write_text(SLIDER)
    (tmp_path / "weights.py").write_text("POSITION = 2.0\n")
    (tmp_path / "my_robot.py").write_text(ROBOT)
    yield tmp_path / "my_robot.py"
    sys.modules.pop("weights", None)
    sys.modules.pop("my_robot", None)


def test_a_task_in_a_file_finds_its_model_and_modules_beside_it(robot, monkeypatch):
    before = list(sys.path)
    cls = load_task(f"{robot}:MyTask")
    assert sys.path == before
    assert TaskSimulations(cls, 2).reset([0, 1]).shape == (2, 1)
    monkeypatch.chdir(robot.parent)
    assert load_task("my_robot.py:MyTask").__name__ == "MyTask"
    assert load_task("my_robot:MyTask").__name__ == "MyTask"
    monkeypatch.chdir("/")
    subclass = type("Mine", (cls,), {})  # the model lies beside the class that names it
    TaskSimulations(subclass)


def test_a_file_is_read_anew(robot):
    first = load_task(f"{robot}:MyTask")
    robot.write_text(ROBOT.replace("(Task):", "(Task):\n    frame_skip = 7"))
    assert (first.frame_skip, load_task(f"{robot}:MyTask").frame_skip) == (1, 7)


def test_two_files_of_one_name_do_not_meet(robot, tmp_path):
    other = tmp_path / "other" / "my_robot.py"
    other.parent.mkdir()
    other.write_text("from td7.envs.task import Task\nclass MyTask(Task): frame_skip = 3\n")
    ours, theirs = load_task(f"{robot}:MyTask"), load_task(f"{other}:MyTask")
    assert sys.modules[ours.__module__].__file__ == str(robot)
    assert sys.modules[theirs.__module__].__file__ == str(other)


@pytest.mark.parametrize(
    ("source", "name", "text"),
    [
        (ROBOT, "Walker", "has no Walker; its tasks are: MyTask"),
        (ROBOT, "Other", "has no Task of that name, but another Other; its tasks are: MyTask"),
        (ROBOT, "Task", "has no Task of that name, but another Task"),
        ("x = 1", "MyTask", "has no MyTask; its tasks are: -"),
        (
            "\n\n1 / 0",
            "MyTask",
            "import: ZeroDivisionError: division by zero (my_robot.py, line 3)",
        ),
        (
            "import nowhere",
            "MyTask",
            "ModuleNotFoundError: No module named 'nowhere' (my_robot.py, li",
        ),
        ("open('/nowhere')", "MyTask", "failed on import: FileNotFoundError"),
        (
            "def f(:",
            "MyTask",
            "failed on import: SyntaxError: invalid syntax (my_robot.py, line 1)",
        ),
        ("raise SystemExit(2)", "MyTask", "failed on import: SystemExit: 2 (my_robot.py, line 1)"),
    ],
)
def test_a_file_without_the_task_is_refused(robot, source, name, text):
    robot.write_text(source)
    with pytest.raises(ValueError) as caught:
        load_task(f"{robot}:{name}")
    assert text in str(caught.value)
    assert "my_robot.py" in str(caught.value)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("./nowhere.py:MyTask", "task './nowhere.py:MyTask': there is no file "),
        ("nowhere:MyTask", "task 'nowhere:MyTask': there is no module 'nowhere'"),
        ("td7.nowhere:MyTask", "task 'td7.nowhere:MyTask': there is no module 'td7.nowhere'"),
        ("td7.examples.reach_arm:Arm", "has no Arm; its tasks are: ReachArm"),
        ("MyTask", "task must be FILE.py:CLASS or PACKAGE.MODULE:CLASS, got 'MyTask'"),
        ("my_robot.py:", "task must be FILE.py:CLASS or"),
        (":MyTask", "task must be FILE.py:CLASS or"),
    ],
)
def test_a_name_that_leads_nowhere_is_refused(name, text):
    with pytest.raises(ValueError) as caught:
        load_task(name)
    assert text in str(caught.value)


def test_names_of_tasks_and_of_gymnasium_are_told_apart():
    for name in ("my_robot.py:MyTask", "td7.examples.reach_arm:ReachArm"):
        assert names_task(name), name
    for name in ("Ant-v5", "robots:Walk-v0", ":Walk", "no.such.module:Walk", "toy_envs:Point"):
        assert not names_task(name), name
    assert names_task("my_robot.py:") and names_task("my_robot.py:My-Task")
