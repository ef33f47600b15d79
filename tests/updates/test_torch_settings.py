"""What an environment or a caller does to torch's settings changes no run."""

import gymnasium
import pytest
import torch
from test_resume import assert_same

import td7
import toy_envs
from conftest import TOY_RUN
from td7 import torch_settings
from td7.rollout import open_rollouts
from td7.torch_settings import environment_settings, run_settings, update_settings
from td7.updates.learner import Learner

CHANGES = {
    "gradients": (lambda: torch.set_grad_enabled(False), torch.is_grad_enabled),
    "default dtype": (lambda: torch.set_default_dtype(torch.float64), torch.get_default_dtype),
    "default device": (lambda: torch.set_default_device("meta"), torch.get_default_device),
    "threads": (lambda: torch.set_num_threads(3), torch.get_num_threads),
    "deterministic": (
        lambda: torch.use_deterministic_algorithms(True),
        torch.are_deterministic_algorithms_enabled,
    ),
    "matrix products": (
        lambda: torch.set_float32_matmul_precision("medium"),
        torch.get_float32_matmul_precision,
    ),
    "autocast": (
        lambda: torch.set_autocast_enabled("cpu", True),
        lambda: torch.is_autocast_enabled("cpu"),
    ),
    "anomalies": (lambda: torch.autograd.set_detect_anomaly(True), torch.is_anomaly_enabled),
}


@pytest.fixture(autouse=True)
def as_before():
    """Put every setting back after a test."""
    threads = torch.get_num_threads()
    yield
    torch.set_grad_enabled(True)
    torch.set_default_dtype(torch.float32)
    torch.set_default_device(None)
    torch.set_num_threads(threads)
    torch.use_deterministic_algorithms(False)
    torch.set_float32_matmul_precision("highest")
    torch.set_autocast_enabled("cpu", False)
    torch.autograd.set_detect_anomaly(False)
    torch_settings._of_environments.clear()


def change(*names):
    for name in names or CHANGES:
        CHANGES[name][0]()


def values():
    return {name: read() for name, (_, read) in CHANGES.items()}


@pytest.mark.parametrize("where", ["__init__", "reset", "step"])
def test_an_environment_that_changes_every_setting_trains_the_same_run(
    where, whole, quiet, monkeypatch
):
    call, seen, before = getattr(toy_envs.Point, where), [], values()

    def changing(self, *args, **kwargs):
        seen.append(values())
        change()
        return call(self, *args, **kwargs)

    monkeypatch.setattr(toy_envs.Point, where, changing)
    td7.train("Toy/Point-v0", run=quiet(), **TOY_RUN)
    assert values() == before
    assert seen[0] == before
    assert all(each != before[name] for name, each in seen[-1].items())  # its own stay its own
    assert_same(quiet().out, whole)


@pytest.mark.parametrize("name", CHANGES)
def test_a_setting_that_an_environment_changes_holds_for_environments_alone(name, monkeypatch):
    before = values()
    read = CHANGES[name][1]
    with environment_settings():
        change(name)
    assert values() == before
    with environment_settings():
        assert read() != before[name]
        monkeypatch.undo()
    with run_settings(), environment_settings():
        assert read() != before[name]


def test_a_caller_with_other_settings_trains_the_same_run_and_keeps_them(whole, quiet):
    change("gradients", "default dtype", "default device", "autocast")
    before = values()
    with torch.inference_mode():
        td7.train("Toy/Point-v0", run=quiet(), **TOY_RUN)
    assert values() == before
    torch.set_default_device(None)
    assert_same(quiet().out, whole)


def test_networks_do_not_depend_on_the_default_dtype_or_device(small_config):
    wanted = Learner(3, 2, [1], small_config()).tensors()
    change("default dtype")
    torch.set_default_device("meta")
    with update_settings():
        found = Learner(3, 2, [1], small_config()).tensors()
    for name, tensor in wanted.items():
        assert tensor.dtype == found[name].dtype, name
        assert torch.equal(tensor.cpu(), found[name].cpu()), name


def test_an_error_of_an_environment_leaves_the_settings_of_the_run(monkeypatch):
    before = values()

    def failing(self, **kwargs):
        change()
        raise ArithmeticError("no episode today")

    monkeypatch.setattr(toy_envs.Point, "__init__", failing)
    with pytest.raises(ArithmeticError, match="no episode today"):
        open_rollouts("Toy/Point-v0", [1], 1)
    assert values() == before
    assert "Toy/Point-v0" in gymnasium.registry
