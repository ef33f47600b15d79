"""Names, ranges and joints go by control, of which an actuator has none, one or several."""

import json
import subprocess
from pathlib import Path

import gymnasium
import mujoco
import numpy as np
import pytest
import torch
from controller_bundle import policy_of
from gymnasium.spaces import Box
from test_replay_cpp import COMPILER, ROOT

from td7.deploy.export import write_bundle
from td7.deploy.verify import read_bundle, verify
from td7.envs.controls import controls, joint_names
from td7.envs.signals import signals
from td7.envs.task import Task, TaskSimulations
from td7.policy.native import NativePolicy
from td7.policy.saved import Policy

MUJOCO = Path(mujoco.__file__).parent
XML = """<mujoco><option timestep="0.01"/><extension><plugin plugin="mujoco.pid"/></extension>
<worldbody><geom type="plane" size="2 2 0.1"/>
<body name="upper" pos="0 0 0.6"><joint name="a" axis="0 1 0" damping="0.1"/>
<geom size="0.05" pos="0 0 0.2"/><body name="lower" pos="0 0 0.2">
<joint name="b" axis="0 1 0" damping="0.1"/><geom name="tip" size="0.05" pos="0 0 0.2"/>
<site name="tip" pos="0 0 0.2"/></body></body></worldbody>
<tendon><fixed name="both"><joint joint="a" coef="1"/><joint joint="b" coef="-1"/></fixed></tendon>
<actuator>{}</actuator></mujoco>"""
# each actuator with its controls: (name, low, high, joint)
KINDS = {
    "motor": ('<motor name="m" joint="b" ctrlrange="-3 3"/>', [("m", -3, 3, "b")]),
    "passive": (
        '<dcmotor name="brake" joint="a" motorconst="1" resistance="1" input="none"/>',
        [],
    ),
    "voltage": (
        '<dcmotor name="v" joint="a" motorconst="0.1" resistance="1" ctrlrange="-1 1"/>',
        [("v", -1, 1, "a")],
    ),
    "two inputs": (
        '<pid name="p" joint="a" kp="5" kv="1" posrange="-1 1" velrange="-2 2"/>',
        [("p.pos", -1, 1, "a"), ("p.vel", -2, 2, "a")],
    ),
    "one of two inputs": (
        '<pid name="q" joint="b" kp="2" kv="1" input="vel" velrange="-0.5 0.7"/>',
        [("q", -0.5, 0.7, "b")],
    ),
    "three inputs": (
        '<pid name="f" joint="b" kp="1" kv="0.1" ki="0.5" imax="1" input="pos vel ff" '
        'posrange="-0.1 0.4" velrange="-0.3 0.3" ffrange="0 0.2"/>',
        [("f.pos", -0.1, 0.4, "b"), ("f.vel", -0.3, 0.3, "b"), ("f.ff", 0, 0.2, "b")],
    ),
    "tendon": ('<motor name="t" tendon="both" ctrlrange="-0.4 0.6"/>', [("t", -0.4, 0.6, "")]),
    "site": (
        '<motor name="s" site="tip" gear="1 0 0 0 0 0" ctrlrange="-1.5 1"/>',
        [("s", -1.5, 1, "")],
    ),
    "adhesion": (
        '<adhesion name="g" body="lower" gain="2" ctrlrange="0 1.25"/>',
        [("g", 0, 1.25, "")],
    ),
    "plugin": (
        '<plugin name="x" joint="a" plugin="mujoco.pid" actdim="1" ctrlrange="-0.2 0.3">'
        '<config key="kp" value="2"/><config key="ki" value="1"/></plugin>',
        [("x", -0.2, 0.3, "a")],
    ),
}
ORDERS = [np.random.default_rng(seed).permutation(list(KINDS)).tolist() for seed in range(8)]
PAIRS = [[first, "motor"] for first in KINDS if first != "motor"]


def text_of(order):
    return XML.format("".join(KINDS[kind][0] for kind in order))


def expected(order):
    """The names, ranges [A, 2] and joints that the model of this order must have."""
    names, low, high, joints = zip(
        *(each for kind in order for each in KINDS[kind][1]), strict=True
    )
    return list(names), np.array([low, high], np.float64).T, list(joints)


class Drive(Task):
    """A task of any of the models: observes the state and the last action."""

    frame_skip, max_episode_steps = 2, 50

    def setup(self):
        self.q, self.v = self.data("qpos"), self.data("qvel")

    def observe(self):
        return np.hstack([self.q, self.v, self.action])

    def reward(self, action):
        return -np.square(self.q).sum(1)


def task_of(order):
    model = mujoco.MjModel.from_xml_string(text_of(order))
    return type("Drive", (Drive,), {"model": model})


@pytest.mark.parametrize("order", [*PAIRS, *(pair[::-1] for pair in PAIRS), *ORDERS], ids=str)
def test_each_action_of_a_task_has_its_own_controls_name_range_and_joint(order):
    names, ranges, joints = expected(order)
    simulations = TaskSimulations(task_of(order))
    assert simulations.task.action_names == names
    space = simulations.action_space
    np.testing.assert_array_equal(np.array([space.low, space.high]).T, np.float32(ranges))
    assert joint_names(simulations.task.mj_model) == (joints if all(joints) else [])
    simulations.close()


@pytest.mark.parametrize("order", ORDERS[:3], ids=str)
def test_an_action_moves_the_actuator_of_its_name_and_no_other(order):
    model = mujoco.MjModel.from_xml_string(text_of(order))
    data = mujoco.MjData(model)
    mujoco.mj_forward(model, data)
    at_rest = data.actuator_force.copy()
    for entry, control in enumerate(controls(model)):
        mujoco.mj_resetData(model, data)
        data.ctrl[entry] = 0.1
        mujoco.mj_forward(model, data)
        (moved,) = np.flatnonzero(data.actuator_force != at_rest)
        name = control.name.partition(".")[0]
        assert moved == model.actuator_outadr[model.actuator(name).id]


class Robot(gymnasium.Env):
    """A Gymnasium environment of such a model, with actions as MujocoEnv has them: its controls."""

    def __init__(self, order):
        self.model = mujoco.MjModel.from_xml_string(text_of(order))
        low, high = self.model.actuator_ctrlrange.T.astype(np.float32)
        self.action_space = Box(low, high)
        self.observation_space = Box(-np.inf, np.inf, (4,), np.float64)
        self.dt = 0.02

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.data = mujoco.MjData(self.model)
        return np.hstack([self.data.qpos, self.data.qvel]), {}

    def step(self, action):
        self.data.ctrl[:] = action
        mujoco.mj_step(self.model, self.data, 2)
        return np.hstack([self.data.qpos, self.data.qvel]), 0.0, False, False, {}


@pytest.mark.parametrize("order", [*PAIRS, ORDERS[0]], ids=str)
def test_a_bundle_of_a_gymnasium_environment_names_its_controls(order, tmp_path):
    name = f"Test/{''.join(filter(str.isalnum, str(order)))}-v0"
    gymnasium.register(name, Robot, max_episode_steps=50, kwargs={"order": order})
    names, ranges, joints = expected(order)
    assert signals(name).joint_names == (joints if all(joints) else [])
    policy = policy_of((4, len(names), 8, 16, 16))
    policy.low.copy_(torch.from_numpy(ranges[:, 0]))
    policy.high.copy_(torch.from_numpy(ranges[:, 1]))
    (tmp_path / "bundle").mkdir()
    write_bundle(Policy(policy, {"env": name}), tmp_path / "bundle", ["cpp"])
    manifest = json.loads((tmp_path / "bundle" / "manifest.json").read_text())
    assert manifest["actions"]["names"] == names


@pytest.fixture(scope="module")
def driver(tmp_path_factory):
    """Drive a model by a bundle in C++: (bundle, model, names, steps) -> positions [steps, nq]."""
    if COMPILER is None:
        pytest.skip("no C++ compiler is installed")
    program = tmp_path_factory.mktemp("driver") / "drive_model"
    parts = [f"bundle/{name}" for name in "bundle json json_object safetensors sha256".split()]
    parts.append("runtimes/native_backend")
    sources = [ROOT / "csrc" / f"{part}.cc" for part in parts]
    (library,) = [*MUJOCO.glob("libmujoco.so.*"), *MUJOCO.glob("libmujoco.*.dylib")]
    flags = "-std=c++17 -O0 -Wall -Wextra -Werror -ffp-contract=off -pthread".split()
    includes = [f"-I{ROOT / 'csrc'}", f"-I{MUJOCO / 'include'}"]
    source = ROOT / "tests" / "cpp" / "drive_model.cc"
    command = [COMPILER, *flags, *includes, source, *sources, library, f"-Wl,-rpath,{MUJOCO}"]
    subprocess.run([*command, "-o", program], check=True)

    def drive(bundle, model, names, steps):
        arguments = [bundle, model, MUJOCO / "plugin", steps, Drive.frame_skip, *names]
        done = subprocess.run(
            [program, *map(str, arguments)], capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        return np.array([line.split() for line in done.stdout.splitlines()], np.float64)

    return drive


TASK = """
import mujoco
from test_controls import Drive
class Mine(Drive):
    model = mujoco.MjModel.from_xml_path({path!r})
"""


@pytest.mark.parametrize("order", [PAIRS[0], PAIRS[2], *ORDERS[:3]], ids=str)
def test_a_bundle_drives_the_controls_of_its_action_names_in_cpp_as_the_task_does(
    driver, order, tmp_path
):
    model = tmp_path / "robot.xml"
    model.write_text(text_of(order))
    (tmp_path / "mine.py").write_text(TASK.format(path=str(model)))
    names, ranges, _ = expected(order)
    policy = policy_of((4 + len(names), len(names), 8, 16, 16))
    policy.low.copy_(torch.from_numpy(ranges[:, 0]))
    policy.high.copy_(torch.from_numpy(ranges[:, 1]))
    folder = tmp_path / "bundle"
    folder.mkdir()
    write_bundle(Policy(policy, {"env": f"{tmp_path / 'mine.py'}:Mine"}), folder, ["torchscript"])
    assert verify(folder)
    steps, told = 25, read_bundle(folder).manifest["actions"]["names"]
    simulations, act, one = TaskSimulations(task_of(order)), NativePolicy(policy), np.array([0])
    obs, seen = simulations.reset(one, [0]), []
    for _ in range(steps):
        obs = simulations.step(one, act(np.float32(obs)))[0]
        seen.append(obs[0, :2])
    np.testing.assert_array_equal(driver(folder, model, told, steps), seen)
    assert np.abs(seen).max() > 0.05


def test_names_of_controls_are_distinct():
    actuators = (
        '<motor name="p.pos" joint="a"/><pid name="p" joint="b"/><pid joint="a"/>'
        '<motor name="4" joint="a"/><motor joint="b"/>'
    )
    model = mujoco.MjModel.from_xml_string(XML.format(actuators))
    names = [control.name for control in controls(model)]
    assert names == ["p.pos", "p.pos_", "p.vel", "2.pos", "2.vel", "4", "4_"]


@pytest.mark.parametrize(
    ("actuators", "message"),
    [
        (KINDS["passive"][0], "must have at least one actuator with a control, got 1 without any"),
        (
            KINDS["passive"][0] + '<motor name="m" joint="b"/>',
            r"actuator m must have a finite ctrlrange \(its bounds are the action's\), got none",
        ),
        (
            KINDS["motor"][0] + '<pid name="p" joint="a" kp="5" kv="1" posrange="-1 1"/>',
            "actuator p must have a finite velrange",
        ),
        (
            '<pid name="p" joint="a" kp="5" kv="1" velrange="-1 1"/>' + KINDS["motor"][0],
            "actuator p must have a finite posrange",
        ),
    ],
)
def test_a_control_without_a_range_is_refused_by_its_actuators_name(actuators, message):
    model = mujoco.MjModel.from_xml_string(XML.format(actuators))
    with pytest.raises(ValueError, match=message):
        TaskSimulations(type("Mine", (Drive,), {"model": model}))
