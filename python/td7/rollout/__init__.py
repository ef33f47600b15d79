"""Whole episodes under frozen policies: what a learner collects and what an evaluation runs.

The tasks that are in C++ run there, policy included; every other environment is stepped from here.
Both ways make the same episodes from the same policies, seeds and physics.
"""

from td7.rollout.open import open_rollouts
from td7.rollout.rollouts import (
    Behaviour,
    Episode,
    Replay,
    Rollouts,
    Rows,
    SimulationState,
    env_seeds,
)

__all__ = [
    "Behaviour",
    "Episode",
    "Replay",
    "Rollouts",
    "Rows",
    "SimulationState",
    "env_seeds",
    "open_rollouts",
]
