"""Shared by the tests: toy environments and a configuration small enough to train in seconds."""

import ctypes.util
import os
import sys

import pytest
import torch

if sys.platform == "linux" and ctypes.util.find_library("EGL"):
    os.environ.setdefault("MUJOCO_GL", "egl")  # before MuJoCo is imported; needs no display

import td7
import toy_envs
from td7.config import RunConfig, TD7Config

toy_envs.register()
# networks this small gain nothing from a second thread, and lose much on a busy machine
torch.set_num_threads(1)

SMALL = {
    "batch_size": 16,
    "buffer_capacity": 10_000,
    "warmup_steps": 100,
    "target_update_period": 50,
    "embedding_size": 8,
    "encoder_hidden": 16,
    "critic_hidden": 16,
    "actor_hidden": 16,
    "eval_every": 200,
    "eval_episodes": 2,
}

TOY_RUN = {"seeds": [1], "total_steps": 300, "config": TD7Config(**SMALL)}


@pytest.fixture(scope="session")
def whole(tmp_path_factory):
    """Return the folder of Toy/Point-v0 trained by TOY_RUN, which met no fault."""
    run = RunConfig(out=tmp_path_factory.mktemp("whole") / "run", tensorboard=False)
    td7.train("Toy/Point-v0", run=run, **TOY_RUN)
    return run.out


@pytest.fixture
def small_config():
    """Return a maker of small configurations."""
    return lambda **changes: TD7Config(**{**SMALL, **changes})


@pytest.fixture
def quiet(tmp_path):
    """Return a maker of run settings that print nothing and write under tmp_path."""
    return lambda name="run", **changes: RunConfig(
        **{"out": tmp_path / name, "progress": "none", "tensorboard": False, **changes}
    )
