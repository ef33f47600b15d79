"""Numbers, names and rewards that no run can have are refused by name, in plain words."""

import re

import numpy as np
import pytest

import td7
import toy_envs
from conftest import TOY_RUN
from td7.cli import main
from td7.datasets.source import open_dataset
from td7.envs import SimulationError, make_simulations
from td7.files.path_names import checked_path

HUGE, LONG = 2**70, "n" * 300
TOY = ["train", "--env=Toy/Point-v0", "--total-steps=10"]


def refused(arguments, capsys):
    """Return the line with which a command is refused."""
    with pytest.raises(SystemExit) as ended:
        main([str(argument) for argument in arguments])
    assert ended.value.code in (1, 2)
    return capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--seeds", 2**64], f"seeds must be from 0 to 2^64 - 1, got {2**64}"),
        (["--seeds", f"0:{2**80}"], f"seeds must be at most {2**20}, got '0:{2**80}'"),
        (["--seeds", "9" * 5000], "seeds must be like 3, 0,1,5 or 0:10, got '9999"),
        (["--total-steps", HUGE], f"total_steps must be at most {2**53 - 1}, got {HUGE}"),
        (["--total-steps", 2**53], f"total_steps must be at most {2**53 - 1}, got {2**53}"),
        (["--device", f"cuda:{HUGE}"], "device must be there, got 'cuda:1180591620717411303424'"),
        (["--device", "meta"], "device must be there, got 'meta': it is no cpu, cuda or cuda:N"),
        (["--device", "cpu:7"], "device must be there, got 'cpu:7': it is no cpu, cuda or cuda:N"),
        (["--out", LONG], "out must have names of at most 255 bytes, got one of 300"),
        (["--out", "a/" * 3000], "out must be a path of at most 4095 bytes, got"),
        (["--out", "a\udcff"], "out must be a path in UTF-8, got"),
        (["--scratch-dir", LONG], "scratch_dir must have names of at most 255 bytes, got one of"),
        (["--env", f"{LONG}.py:Task"], "env must have names of at most 255 bytes, got one of 303"),
        (["--from", LONG], "run must have names of at most 255 bytes, got one of 300"),
    ],
)
def test_train_refuses_what_no_run_can_have(arguments, message, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    typed = {arguments[0], *(["--env"] if arguments[0] == "--from" else [])}
    left_out = [each for each in TOY if each.partition("=")[0] not in typed]
    said = refused([*left_out, *arguments], capsys)
    assert said.startswith(f"td7: error: {message}")
    assert "Errno" not in said and len(said) < 5500
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("embedding_size", HUGE, "must be at least 1 and at most 65536"),
        ("critic_hidden", 2**40, "must be at least 1 and at most 65536"),
        ("eval_episodes", 2**40, "must be at least 0 and at most 65536"),
        ("policy_period", HUGE, "must be at most 9007199254740991"),
        ("target_policy_noise", 1e308, "must be at most 1e+38"),
    ],
)
def test_a_setting_larger_than_any_machine_is_refused(field, value, message):
    with pytest.raises(ValueError, match=re.escape(f"TD7Config.{field} {message}")):
        td7.TD7Config(**{field: value})


def test_the_largest_seed_and_a_long_policy_period_train(quiet, small_config):
    config = small_config(policy_period=2**53 - 1, target_update_period=2**53 - 1)
    run = quiet()
    assert td7.train("Toy/Point-v0", **TOY_RUN | {"seeds": [2**64 - 1], "config": config}, run=run)
    assert td7.resume(run.out, run=run).finished


@pytest.mark.parametrize(
    ("command", "message"),
    [
        ("eval {run} --episodes HUGE", f"episodes must be an integer of at most {2**63 - 1}"),
        ("eval {run} --eval-seed HUGE", f"eval_seed must be an integer of at most {2**64 - 1}"),
        ("collect {run} -o d-v0 --steps HUGE", "steps must be an integer of at most"),
        ("collect {run} -o d-v0 --collect-seed HUGE", "collect_seed must be an integer of at"),
        ("collect {run} -o LONG-v0", "out must have names of at most 220 bytes, got one of 303"),
        ("export {run} -o LONG", "out must have names of at most 220 bytes, got one of 300"),
        ("plot {run} -o LONG.png", "out must have names of at most 220 bytes, got one of 304"),
        ("train --resume {run} --total-steps HUGE", "total_steps must be an integer of at most"),
        ("train --resume LONG", "run must have names of at most 255 bytes"),
        ("eval LONG", "run must have names of at most 255 bytes"),
        ("collect LONG -o d-v0", "run must have names of at most 255 bytes"),
        ("verify LONG", "bundle must have names of at most 255 bytes"),
        ("offline --dataset LONG", "dataset must have names of at most 255 bytes"),
        ("offline --dataset LONG.npz", "dataset must have names of at most 255 bytes"),
    ],
)
def test_commands_refuse_what_no_run_can_have(command, message, whole, capsys):
    words = command.replace("HUGE", str(HUGE)).replace("LONG", LONG).split()
    said = refused([word.replace("{run}", str(whole)) for word in words], capsys)
    assert said.startswith(f"td7: error: {message}")


def test_an_error_of_the_system_is_told_without_its_number(whole, capsys):
    said = refused([*TOY, "--out", whole / "config.json" / "x"], capsys)
    assert said == f"td7: error: {whole / 'config.json' / 'x'}: Not a directory\n"


def test_memory_that_is_not_enough_is_told_in_gigabytes(capsys, monkeypatch, tmp_path):
    def allocating(*args, **kwargs):
        raise RuntimeError(
            "[enforce fail at alloc_cpu.cpp:127] err == 0. DefaultCPUAllocator: can't allocate "
            "memory: you tried to allocate 43980465111040 bytes. Error code 12 (...)"
        )

    for failing in (allocating, lambda *args, **kwargs: [0] * 2**60):
        monkeypatch.setattr("td7.training.online.RunState", failing)
        said = refused([*TOY, "--out", tmp_path / "run"], capsys)
        assert said.startswith("td7: error: there is not enough memory")
    assert "43980.5 GB" in refused_by(allocating, monkeypatch, capsys, tmp_path)


def refused_by(failing, monkeypatch, capsys, tmp_path):
    monkeypatch.setattr("td7.training.online.RunState", failing)
    return refused([*TOY, "--out", tmp_path / "run"], capsys)


@pytest.mark.parametrize("name", ["x.H5", "x.HDF5", "x.Hdf5", "x.h5", "x.NPZ", "x.npz"])
def test_endings_of_data_sets_are_read_in_any_case(name, tmp_path):
    with pytest.raises(ValueError, match=r"x\.\w+: (there is no such file|it cannot be read)"):
        open_dataset(tmp_path / name)
    if name.lower().endswith("npz"):
        rows = {"observations": np.zeros((3, 2)), "actions": np.zeros((3, 1))}
        flags = {name: np.zeros(3, bool) for name in ("terminals", "timeouts")}
        with (tmp_path / name).open("wb") as file:
            np.savez(file, rewards=np.zeros(3), **rows, **flags)
        assert open_dataset(tmp_path / name).transitions == 2


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"reward": np.zeros(3)}, "reward of simulation 0 must be a number, got an array of"),
        ({"reward": np.zeros(1)}, "must be a number, got an array of float64 [1]"),
        ({"reward": None}, "reward of simulation 0 must be a number, got None"),
        ({"reward": "1.0"}, "reward of simulation 0 must be a number, got '1.0'"),
        ({"reward": {"a": 1}}, "reward of simulation 0 must be a number, got {'a': 1}"),
        ({"obs": np.zeros(4)}, "observation of simulation 0 must be 3 real numbers, got an array"),
        ({"obs": None}, "observation of simulation 0 must be 3 real numbers, got None"),
        ({"obs": {"x": 1}}, "observation of simulation 0 must be 3 real numbers, got {'x': 1}"),
        ({"terminated": None}, "terminated of simulation 0 must be a number, got None"),
        ({"truncated": np.zeros(2)}, "truncated of simulation 0 must be a number, got an array"),
    ],
)
def test_what_an_environment_returns_is_refused_with_its_name(changes, message, monkeypatch):
    step = toy_envs.Point.step

    def other(self, action):
        names = ("obs", "reward", "terminated", "truncated", "info")
        return tuple((dict(zip(names, step(self, action), strict=True)) | changes).values())

    simulations = make_simulations("Toy/Point-v0", 1)
    simulations.reset(np.zeros(1, np.int64), [1])
    monkeypatch.setattr(type(simulations._env(0)), "step", lambda self, a: other(self.unwrapped, a))
    action = np.array([[1.0, 0.25]], np.float32)
    with pytest.raises(SimulationError, match=re.escape(f"Toy/Point-v0: {message}".split(": ")[0])):
        simulations.step(np.zeros(1, np.int64), action)
    with pytest.raises(SimulationError, match=re.escape(message)):
        simulations.step(np.zeros(1, np.int64), action)


@pytest.mark.parametrize(("name", "count"), [("reset", 1), ("step", 4)])
def test_a_call_that_returns_another_number_of_parts_is_refused(name, count, monkeypatch):
    simulations = make_simulations("Toy/Point-v0", 1)
    first = np.zeros(1, np.int64)
    simulations.reset(first, [1])
    monkeypatch.setattr(type(simulations._env(0)), name, lambda self, *a, **k: tuple([0.0] * count))
    with pytest.raises(SimulationError, match=rf"Toy/Point-v0: {name} of simulation 0 must return"):
        if name == "reset":
            simulations.reset(first, [1])
        else:
            simulations.step(first, np.array([[1.0, 0.25]], np.float32))


def test_a_reward_that_is_an_array_ends_a_run_with_the_environments_name(
    quiet, monkeypatch, small_config
):
    step = toy_envs.Point.step

    def arrays(self, action):
        obs, reward, *rest = step(self, action)
        return obs, np.full(2, reward), *rest

    monkeypatch.setattr(toy_envs.Point, "step", arrays)
    with pytest.raises(
        RuntimeError, match=r"Toy/Point-v0: reward of simulation 0 must be a number"
    ):
        td7.train("Toy/Point-v0", total_steps=50, config=small_config(), run=quiet())


def test_a_path_that_fits_is_returned_as_it_is(tmp_path):
    assert checked_path(tmp_path / ("é" * 127), "out") == tmp_path / ("é" * 127)
    with pytest.raises(ValueError, match="names of at most 255 bytes, got one of 256"):
        checked_path(tmp_path / ("é" * 128), "out")
    with pytest.raises(ValueError, match="out must be a path without zero bytes"):
        checked_path("a\0b", "out")
