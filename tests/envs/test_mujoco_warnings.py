"""MuJoCo's warnings: none ends the process, and each is shown once."""

import os
import subprocess
import sys
import threading
import warnings

import mujoco
import numpy as np
import pytest

import td7
from td7.envs import make_env
from td7.envs.mujoco_warnings import collected_warnings, warnings_to_terminal
from td7.envs.task import Task

DEPRECATED = "compiler attribute 'settotalmass' is deprecated"
WARNS = """
<mujoco>
  <compiler settotalmass="1"/>
  <worldbody><body><joint name="j"/><geom size=".1"/></body></worldbody>
  <actuator><motor joint="j" ctrlrange="-1 1"/></actuator>
</mujoco>
"""


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """Work in an empty folder, with no handler of MuJoCo's warnings."""
    monkeypatch.chdir(tmp_path)
    before = mujoco.get_mju_user_warning()
    mujoco.set_mju_user_warning(None)
    yield tmp_path
    mujoco.set_mju_user_warning(before)


def python(code, *options, **environment):
    """Run Python with its warnings as set by the options; return (exit status, stderr)."""
    done = subprocess.run(
        [sys.executable, *options, "-c", code],
        capture_output=True,
        text=True,
        env={**os.environ, **environment},
        timeout=120,
    )
    return done.returncode, done.stderr


@pytest.mark.parametrize("call", ["td7.make_vec('HalfCheetah-v5')", "make_env('HalfCheetah-v5')"])
def test_with_warnings_as_errors_a_model_that_mujoco_warns_of_is_made(call, folder):
    code = f"import td7\nfrom td7.envs import make_env\nfor _ in range(2): {call}.close()"
    status, stderr = python(code, "-W", "error")
    assert status == 0, stderr
    assert stderr.startswith(f"WARNING: {DEPRECATED}") and stderr.count("WARNING") == 1
    assert not list(folder.iterdir())


def test_with_warnings_as_errors_training_starts_where_mujoco_warns(folder):
    code = (
        "from td7.envs import make_simulations, signals\n"
        "make_simulations('HalfCheetah-v5', 2); signals.signals('HalfCheetah-v5')"
    )
    status, stderr = python(code, PYTHONWARNINGS="error")
    assert status == 0, stderr
    assert stderr.count("WARNING") == 1


def test_with_warnings_as_errors_a_task_raises_after_the_call(folder):
    (folder / "robot.xml").write_text(WARNS)

    class Robot(Task):
        model = str(folder / "robot.xml")

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(UserWarning, match=f"Robot.model: {DEPRECATED}"):
            td7.make_vec(Robot)
    assert mujoco.get_mju_user_warning() is None


def test_no_warning_of_mujocos_becomes_a_python_warning_and_the_handler_is_back(recwarn, folder):
    heard = []
    handler = heard.append
    mujoco.set_mju_user_warning(handler)
    make_env("HalfCheetah-v5").close()
    assert not recwarn.list and not list(folder.iterdir())
    assert mujoco.get_mju_user_warning() is handler
    assert len(heard) == 1 and heard[0].startswith(DEPRECATED)


def test_a_handler_of_the_users_that_raises_raises_in_python():
    def refuse(text):
        raise KeyError(text)

    mujoco.set_mju_user_warning(refuse)
    with pytest.raises(KeyError, match="settotalmass"):
        make_env("HalfCheetah-v5")
    assert mujoco.get_mju_user_warning() is refuse


def test_threads_that_collect_at_once_each_get_the_warnings_and_leave_the_handler(capsys):
    begun, ended = threading.Barrier(2), threading.Barrier(2)
    heard = []

    def collect():
        with collected_warnings() as texts:
            begun.wait()
            ended.wait()
        heard.extend(texts)

    thread = threading.Thread(target=collect)
    thread.start()
    with warnings_to_terminal():
        begun.wait()
        mujoco.MjModel.from_xml_string(WARNS)
    assert mujoco.get_mju_user_warning() is not None  # the other thread's
    ended.wait()
    thread.join()
    assert len(heard) == 1 and heard[0].startswith(DEPRECATED)
    assert mujoco.get_mju_user_warning() is None


def boxes(memory):
    """Return the MJCF of six boxes on the floor, and of one motor."""
    bodies = [
        f'<body pos="{0.3 * i} 0 .09"><freejoint/><geom type="box" size=".1 .1 .1"/></body>'
        for i in range(6)
    ]
    return f"""
    <mujoco>
      <size memory="{memory}"/>
      <worldbody>
        <geom type="plane" size="5 5 .1"/>{"".join(bodies)}
        <body pos="0 0 2"><joint name="j"/><geom size=".1"/></body>
      </worldbody>
      <actuator><motor joint="j" ctrlrange="-1 1"/></actuator>
    </mujoco>
    """


class Boxes(Task):
    model = mujoco.MjModel.from_xml_string(boxes("20K"))
    frame_skip = 2

    def observe(self):
        return self.data("qpos").copy()

    def reward(self, action):
        return np.zeros(self.num_sims)


@pytest.mark.parametrize("num_envs", [1, 3])
def test_too_little_arena_memory_is_warned_of_once_with_what_to_write(num_envs, folder, capfd):
    with warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("always")
        env = td7.make_vec(Boxes, num_envs)
        env.reset(seed=0)
        for _ in range(4):
            env.step(np.zeros((num_envs, 1), np.float32))
        env.close()
    assert [str(each.message) for each in heard] == [
        "Boxes: MuJoCo has too little memory for the contacts and constraints of a step and drops "
        'some: put <size memory="40K"/> or more into the MJCF, got 20K'
    ]
    assert capfd.readouterr().err == ""
    assert not list(folder.iterdir())


def test_simulations_made_again_do_not_repeat_the_warning_of_the_arena(folder):
    (folder / "boxes.xml").write_text(boxes("20K"))
    (folder / "boxes.py").write_text(
        "import numpy as np\nfrom td7.envs import Task\n"
        "class Boxes(Task):\n"
        "    model = 'boxes.xml'\n"
        "    def observe(self): return self.data('qpos').copy()\n"
        "    def reward(self, action): return np.zeros(self.num_sims)\n"
    )
    code = (
        "import td7, numpy as np\n"
        "def run():\n"
        "    env = td7.make_vec('boxes.py:Boxes', 2)\n"
        "    env.reset(seed=0)\n"
        "    env.step(np.zeros((2, 1), np.float32))\n"
        "run()\nrun()"
    )
    status, stderr = python(code)
    assert status == 0 and stderr.count("too little memory") == 1, stderr


def test_enough_arena_memory_is_not_warned_of(recwarn):
    class Roomy(Boxes):
        model = mujoco.MjModel.from_xml_string(boxes("1M"))

    env = td7.make_vec(Roomy, 2)
    env.reset(seed=0)
    env.step(np.zeros((2, 1), np.float32))
    assert not recwarn.list
