"""What is learned: algorithms, networks, losses and the checkpoint rule; no loop, no replay."""

from collections.abc import Callable

from td7.agent.algorithm import Algorithm
from td7.agent.td3 import TD3
from td7.agent.td7 import TD7
from td7.config import AlgorithmConfig

ALGORITHMS: dict[str, Callable[..., Algorithm]] = {"td7": TD7, "td3": TD3}


def make_algorithm(config: AlgorithmConfig, *, offline: bool = False) -> Algorithm:
    """Return the algorithm of a configuration; ValueError if it cannot learn offline."""
    return ALGORITHMS[config.algorithm](config, offline=offline)
