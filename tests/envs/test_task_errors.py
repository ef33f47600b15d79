"""Every way in which a task can be wrong, by the text of its error."""

import re

import mujoco
import numpy as np
import pytest
from test_task import SLIDER, Slider

from td7.envs.gymnasium import SimulationError
from td7.envs.task import Task
from td7.envs.task.simulations import TaskSimulations


def task(**changes):
    """Return a Slider class with attributes and hooks replaced."""
    return type("MyTask", (Slider,), {"__module__": __name__, "action_delay": (0, 0), **changes})


def refused(error, text, cls, num_sims=2):
    with pytest.raises(error) as caught:
        TaskSimulations(cls, num_sims)
    assert text in str(caught.value)


def running(cls, num_sims=3):
    sims = TaskSimulations(cls, num_sims)
    sims.reset(np.arange(num_sims), range(num_sims))
    return sims


def zeros(num_sims=3):
    return np.zeros((num_sims, 1), np.float32)


HOOKS = [
    ("reward", lambda self, action: action, "must return [2] numbers, got [2, 1]"),
    ("reward", lambda self, action: None, "must return [2] numbers, got None"),
    ("reward", lambda self, action: 1.0, "must return [2] numbers, got float 1.0"),
    ("reward", lambda self, action: np.array(["a", "b"]), "numbers, got [2] of <U1"),
    ("reward", lambda self, action: action[:1, 0], "must return [2] numbers, got [1]"),
    ("observe", lambda self: self.data("ctrl")[0], "must return [2, S] numbers, got [1]"),
    ("observe", lambda self: self.data("ctrl")[:, :0], "[2, S] numbers, got [2, 0]"),
    ("observe", lambda self: [[1.0], [2.0]], "[2, S] numbers, got list [[1.0], [2.0]]"),
    ("terminated", lambda self: np.zeros(2), "must return [2] booleans, got [2]"),
    ("terminated", lambda self: np.zeros((2, 1), bool), "booleans, got [2, 1] of bool"),
    ("terminated", lambda self: False, "must return [2] booleans, got bool False"),
]


@pytest.mark.parametrize(("hook", "function", "text"), HOOKS)
def test_a_hook_that_returns_the_wrong_thing_is_refused_at_once(hook, function, text):
    refused(
        ValueError, f"MyTask.{hook} {text}" if "must" in text else text, task(**{hook: function})
    )


def broken(self, *args):
    return {}["knee"]


@pytest.mark.parametrize(
    "hook", ["setup", "randomise", "reset", "after_step", "reward", "terminated", "observe"]
)
def test_a_hook_that_raises_is_named_with_its_line(hook):
    line = broken.__code__.co_firstlineno + 1
    text = f"MyTask.{hook} raised KeyError: 'knee' (test_task_errors.py, line {line})"
    refused(RuntimeError, text, task(**{hook: broken}))


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"frame_skip": 0}, "MyTask.frame_skip must be an integer of at least 1, got 0"),
        ({"frame_skip": 2.0}, "MyTask.frame_skip must be an integer of at least 1, got 2.0"),
        ({"max_episode_steps": None}, "MyTask.max_episode_steps must be an integer of at least 1"),
        ({"action_delay": (2, 1)}, "MyTask.action_delay must be two integers 0 <= low <= high"),
        ({"action_delay": 3}, "MyTask.action_delay must be two integers"),
        ({"obs_names": ["a", "b"]}, "MyTask.obs_names must be 1 strings, got ['a', 'b']"),
        ({"action_units": "N"}, "MyTask.action_units must be 1 strings, got 'N'"),
    ],
)
def test_settings_that_cannot_be_are_refused(changes, text):
    refused(ValueError, text, task(**changes))


def test_a_model_that_is_not_there_or_does_not_compile_is_named(tmp_path):
    refused(TypeError, "MyTask.model must be the path of an MJCF file", task(model=None))
    missing = tmp_path / "robot.xml"
    refused(FileNotFoundError, f"MyTask.model: there is no file {missing}", task(model=missing))
    missing.write_text(SLIDER.replace('size="0.1"', 'size="0.1" mas="1"'))
    refused(ValueError, "robot.xml does not compile: XML Error: Schema", task(model=str(missing)))


@pytest.mark.parametrize(
    "text",
    [
        SLIDER,
        f"\n  {SLIDER}",
        f"\ufeff{SLIDER}",
        f'<?xml version="1.0"?>{SLIDER}',
        SLIDER.replace("<", "<!-- a robot --><", 1),
        SLIDER.encode(),
        SLIDER.replace("\n", " "),
        SLIDER * 30,
        "a robot\nof two lines",
    ],
)
def test_a_model_given_as_text_is_refused_without_repeating_the_text(text):
    with pytest.raises(ValueError) as error:
        TaskSimulations(task(model=text))
    assert str(error.value) == (
        "MyTask.model must be the path of an MJCF file or an MjModel, got text of "
        f"{len(text)} characters: give mujoco.MjModel.from_xml_string(text)"
    )


@pytest.mark.parametrize(
    ("old", "new", "text"),
    [
        ('ctrlrange="-2 3"', "", "actuator pusher must have a finite ctrlrange (its bounds"),
        ('name="pusher" joint="x" ctrlrange="-2 3"', 'joint="x"', "actuator 0 must have a finite"),
        (
            '<motor name="pusher" joint="x" ctrlrange="-2 3"/>',
            "",
            "MyTask.model: the model must have at least one actuator, got none",
        ),
    ],
)
def test_an_actuator_without_bounds_is_named(old, new, text):
    model = mujoco.MjModel.from_xml_string(SLIDER.replace(old, new))
    refused(ValueError, text, task(model=model))


def test_a_base_task_says_what_to_define():
    text = "MyTask.reward raised NotImplementedError: define reward(self, action): it returns [N]"
    refused(RuntimeError, text, task(reward=Task.reward))


def test_fields_are_not_there_before_setup():
    with pytest.raises(RuntimeError, match="Slider has no simulations yet: take fields in setup"):
        Slider().data("qpos")


def test_one_task_cannot_run_twice():
    mine = Slider()
    TaskSimulations(mine)
    with pytest.raises(ValueError, match="task must be a class or a new Slider, got one in use"):
        TaskSimulations(mine)


@pytest.mark.parametrize("hook", ["randomise", "reset", "after_step"])
def test_a_hook_that_writes_other_simulations_is_refused_and_undone(hook):
    def write_all(self, sims, random):
        if hook == "randomise":
            self.model_field("body_mass")[:] *= 2
        else:
            self.data("qpos")[:] += 1

    sims = running(task(**{hook: write_all}))
    kept = sims.simulation(0)[1].qpos.copy(), sims.simulation(0)[0].body_mass.copy()
    what = "body_mass" if hook == "randomise" else "the state"
    text = rf"MyTask.{hook} wrote {what} of simulation 0, which is not among its sims"
    with pytest.raises(ValueError, match=text):
        sims.step([1], zeros(1)) if hook == "after_step" else sims.reset([1])
    np.testing.assert_array_equal(sims.simulation(0)[1].qpos, kept[0])
    np.testing.assert_array_equal(sims.simulation(0)[0].body_mass, kept[1])


def test_values_that_are_not_finite_are_named_with_simulation_and_step():
    def observe(self):
        value = self.data("ctrl") + 0.0
        value[1 % self.num_sims, 0] = np.nan if self.poisoned else 0
        return value

    sims = running(task(observe=observe, poisoned=False, obs_names=["control"]))
    sims.step([0, 1, 2], zeros())
    sims.task.poisoned = True
    sims.step([2, 0], zeros(2))  # 1 is not asked for
    text = r"MyTask.observe must return finite numbers, got nan in entry 0 \(control\) "
    with pytest.raises(SimulationError, match=text + "in simulation 1 at step 2"):
        sims.step([2, 1], zeros(2))
    with pytest.raises(SimulationError, match=text + "in simulation 1 at step 0"):
        sims.reset([1])
    sims.step([2, 0], zeros(2))
    sims = running(task(reward=lambda self, action: np.where(action < 0, np.inf, 0)[:, 0]))
    with pytest.raises(
        SimulationError, match=r"MyTask.reward must .* got inf in simulation 2 at st"
    ):
        sims.step([0, 2], np.array([[1], [-1]], np.float32))


def test_a_state_that_reset_leaves_not_finite_is_an_error():
    def reset(self, sims, random):
        self.data("qpos")[sims[sims == 1]] = np.nan

    sims = TaskSimulations(task(reset=lambda self, sims, random: None), 3)
    type(sims.task).reset = reset
    text = "MyTask: simulation 1 diverged at step 0: Nan, Inf or huge value in QPOS at DOF 0"
    with pytest.raises(SimulationError, match=text):
        sims.reset(np.arange(3), range(3))


@pytest.mark.parametrize(
    ("written", "meant"), [("randomize", "randomise"), ("max_episode_step", "max_episode_steps")]
)
def test_a_name_that_is_nearly_a_hooks_is_warned_of(written, meant):
    text = f"MyTask.{written} is never called or read: did you mean {meant}?"
    with pytest.warns(UserWarning, match=re.escape(text)):
        TaskSimulations(task(**{written: lambda self, sims, random: None}))


def test_names_of_a_tasks_own_are_no_cause_for_a_warning(recwarn):
    TaskSimulations(task(distance=lambda self: 0, targets=3, reset_noise=0.1))
    assert not recwarn.list


def test_a_divergence_is_an_error_and_nothing_has_moved():
    sims, twin = running(Slider), running(Slider)
    sims.step([0, 1, 2], zeros())
    twin.step([0, 1, 2], zeros())
    sims.task.data("qvel")[1] = 1e20
    text = r"Slider: simulation 1 diverged at step 2: Nan, Inf or huge value in QVEL at DOF 0"
    for _ in range(2):
        with pytest.raises(SimulationError, match=text):
            sims.step([2, 1, 0], zeros() + 1)
    for step in range(3):
        got = sims.step([0, 2], zeros(2) + step)
        want = twin.step([0, 2], zeros(2) + step)
        for ours, theirs in zip(got, want, strict=True):
            np.testing.assert_array_equal(ours, theirs)
    np.testing.assert_array_equal(sims.task.data("qpos")[[0, 2]], twin.task.data("qpos")[[0, 2]])
    sims.reset([1])
    sims.step([0, 1, 2], zeros())


def test_a_hook_that_fails_leaves_state_delay_and_streams_as_they_were():
    def after_step(self, sims, random):
        random.normal()

    def reward(self, action):
        return action[:, 0] / (0.0 if self.failing else 1.0)

    mine = task(after_step=after_step, reward=reward, failing=False, action_delay=(1, 1))
    sims, twin = running(mine), running(mine)
    sims.task.failing = True
    with np.errstate(divide="ignore"), pytest.raises(SimulationError):
        sims.step([0, 1], zeros(2) + 2)
    assert sims.generator_states() == twin.generator_states()
    sims.task.failing = False
    for step in range(2):
        got, want = (each.step([0, 1, 2], zeros() + step) for each in (sims, twin))
        for ours, theirs in zip(got, want, strict=True):
            np.testing.assert_array_equal(ours, theirs)
    np.testing.assert_array_equal(sims.task.data("qpos"), twin.task.data("qpos"))
    assert sims.generator_states() == twin.generator_states() != running(mine).generator_states()


def test_an_error_of_mujoco_names_simulation_and_step_and_the_others_go_on():
    welded = SLIDER.replace("<body>", '<body name="cart">').replace(
        "<actuator>", '<equality><weld body1="cart"/></equality><actuator>'
    )
    sims = running(task(model=mujoco.MjModel.from_xml_string(welded)))
    sims.step([0, 1, 2], zeros())
    sims.task.model_field("eq_type")[[1, 2]] = 99
    time = sims.task.data("time").copy()
    text = r"MyTask: simulation 1 failed at step 2 \(and 1 others failed\): MuJoCo: .*constraint"
    with pytest.raises(RuntimeError, match=text):
        sims.step([0, 1, 2], zeros())
    np.testing.assert_array_equal(sims.task.data("time"), time)
    sims.step([0], zeros(1))
    sims.reset([1])  # has the model's own values again
    sims.step([0, 1], zeros(2))


def test_a_mass_of_zero_is_mujocos_error_at_the_reset():
    def randomise(self, sims, random):
        self.model_field("body_mass")[sims] *= self.factor

    sims = running(task(randomise=randomise, factor=1.0))
    sims.task.factor = 0.0
    with pytest.raises(RuntimeError, match="MyTask: simulation 2 failed at step 0: MuJoCo: "):
        sims.reset([2])
    with pytest.raises(RuntimeError, match="simulation 2 must be reset before a step"):
        sims.step([2], zeros(1))
    sims.step([0, 1], zeros(2))


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (
            lambda sims: sims.reset([0, 0]),
            "sims must be a 1-D array of distinct integers in [0, 3)",
        ),
        (lambda sims: sims.reset([3]), "in [0, 3), got [3]"),
        (lambda sims: sims.reset([-1]), "in [0, 3), got [-1]"),
        (lambda sims: sims.reset([True]), "in [0, 3), got [True]"),
        (lambda sims: sims.reset(0), "in [0, 3), got 0"),
        (lambda sims: sims.reset([0, 1], [5]), "seeds must be 2, one a simulation, got 1"),
        (
            lambda sims: sims.reset([0], [-1]),
            "seeds must be integers of at least 0 or None, got -1",
        ),
        (lambda sims: sims.reset([0], [1.5]), "seeds must be integers of at least 0 or None"),
        (
            lambda sims: sims.step([0], zeros(2)),
            "actions must be floats [1, 1], got float32 [2, 1]",
        ),
        (lambda sims: sims.step([0], [[1]]), "actions must be floats [1, 1], got int64 [1, 1]"),
        (
            lambda sims: sims.step([2], zeros(1) * np.nan),
            "actions must be finite, got [nan] for simulation 2",
        ),
        (lambda sims: sims.restore_generators([{}], [1]), "states must be of PCG64, got {} for"),
        (lambda sims: sims.restore_generators([], [1]), "states must be 1, one a simulation"),
        (lambda sims: TaskSimulations(Slider, 0), "num_sims must be an integer of at least 1"),
        (lambda sims: TaskSimulations(Slider, 1, 0), "num_threads must be an integer of at least"),
    ],
)
def test_bad_arguments_are_named(call, text):
    with pytest.raises(ValueError) as caught:
        call(running(Slider))
    assert text in str(caught.value)


def test_an_episode_that_is_over_must_be_reset():
    sims = running(Slider)
    for _ in range(12):
        *_, truncated = sims.step([0, 1, 2], zeros())
    assert truncated.all()
    with pytest.raises(RuntimeError, match="Slider: simulation 1 must be reset before a step"):
        sims.step([1], zeros(1))


def test_named_views_are_written_by_rows_alone():
    sims = running(Slider)
    joint = sims.task.joint("x")
    joint.qpos[1] = 0.25
    assert sims.task.data("qpos")[:, 0].tolist() == [0, 0.25, 0]
    with pytest.raises(AttributeError, match=r"write rows of the simulations meant: .qpos\[sims\]"):
        joint.qpos = 0.5
