"""The policies that act: TD7's networks before training, or a saved policy; and onnxruntime's."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from td7.deploy.formats import Graph
from td7.deploy.formats.onnx import write_onnx
from td7.envs.native import spaces
from td7.policy.module import PolicyModule, SalePolicy
from td7.policy.saved import load_policy

Act = Callable[[NDArray[Any]], NDArray[np.float32]]  # float32 [N, S] -> [N, A]


def untrained(env: str, seed: int) -> PolicyModule:
    """Return the policy of new networks of the paper's sizes, initialised as torch does."""
    observation_space, action_space = spaces(env)
    module = SalePolicy(observation_space.shape[0], action_space.shape[0])
    generator = torch.Generator().manual_seed(seed)
    for layer in module.modules():
        if isinstance(layer, nn.Linear):
            bound = layer.in_features**-0.5
            layer.weight.uniform_(-bound, bound, generator=generator)
            layer.bias.uniform_(-bound, bound, generator=generator)
    module.low.copy_(torch.from_numpy(action_space.low))
    module.high.copy_(torch.from_numpy(action_space.high))
    return module


def trained(env: str, folder: Path) -> PolicyModule:
    """Load a saved policy; ValueError where it is not one of the environment."""
    module = load_policy(folder).module
    observation_space, action_space = spaces(env)
    wanted = observation_space.shape[0], action_space.shape[0]
    if (module.obs_size, module.action_size) != wanted:
        given = module.obs_size, module.action_size
        raise ValueError(f"{folder} must hold a policy of {env}, {wanted}, got one of {given}")
    return module


def torch_act(module: PolicyModule) -> Act:
    """Return what acts by torch."""

    def act(obs: NDArray[Any]) -> NDArray[np.float32]:
        with torch.inference_mode():
            return module(torch.from_numpy(obs)).numpy()

    return act


@cache
def onnxruntime_act(module: PolicyModule) -> Act:
    """Return what acts by onnxruntime on one thread, from the file that td7 exports."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "policy.onnx"
        obs = (torch.zeros(2, module.obs_size),)
        write_onnx(Graph(module, obs, ("obs",), "actions", {}), path)
        session = onnxruntime.InferenceSession(str(path), options, ["CPUExecutionProvider"])

    def act(obs: NDArray[Any]) -> NDArray[np.float32]:
        return session.run(None, {"obs": obs})[0]

    return act
