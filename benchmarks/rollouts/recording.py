"""What td7's run did, as much as it takes to repeat its physics."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import gymnasium
import numpy as np
from numpy.typing import NDArray

from td7.envs.native import make_engine


@dataclass(frozen=True)
class Model:
    """A Gymnasium environment's MuJoCo model, as Gymnasium steps it."""

    env: str
    compiled: Any  # mujoco.MjModel
    frame_skip: int

    @classmethod
    def of(cls, env: str) -> Model:
        """Ask Gymnasium."""
        made: Any = gymnasium.make(env).unwrapped
        found = cls(env, made.model, made.frame_skip)
        made.close()
        return found


@dataclass(frozen=True)
class Recording:
    """Episodes of N simulations: where each begins, all actions, and where the last ones end.

    Episode e has the actions first_action[e]:first_action[e + 1]; the episodes of a simulation
    follow one another.
    """

    last_episode: NDArray[np.int64]  # [N]
    first_action: NDArray[np.int64]  # [episodes + 1]
    qpos: NDArray[np.float64]  # [episodes, nq]
    qvel: NDArray[np.float64]  # [episodes, nv]
    action: NDArray[np.float32]  # [steps, A], as the environment takes them
    final_qpos: NDArray[np.float64]  # [N, nq]

    @classmethod
    def of(
        cls,
        model: Model,
        actions: Sequence[Sequence[NDArray[np.float32]]],
        generators: Sequence[NDArray[np.uint64]],
        final_qpos: NDArray[np.float64],
    ) -> Recording:
        """Join the episodes' actions of each simulation, whose generators began in those states."""
        counts = [len(episodes) for episodes in actions]
        joined = [episode for episodes in actions for episode in episodes]
        qpos, qvel = initial_states(model, counts, generators)
        return cls(
            np.cumsum(counts) - 1,
            _starts([len(episode) for episode in joined]),
            qpos,
            qvel,
            np.ascontiguousarray(np.concatenate(joined), np.float32),
            final_qpos,
        )


def initial_states(
    model: Model, counts: Sequence[int], generators: Sequence[NDArray[np.uint64]]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return where each simulation's next `counts` episodes begin: qpos, qvel [sum of counts, .].

    Only resets draw from a simulation's generator: an engine that does nothing else finds them.
    """
    engine = make_engine(model.env, len(counts), 1)
    for sim, words in enumerate(generators):
        engine.seed(sim, words)
    info_size = sum(1 if size < 0 else size for _, _, size, _ in engine.info_fields)
    states: list[list[NDArray[np.float64]]] = [[] for _ in counts]
    for episode in range(max(counts)):
        sims = np.flatnonzero(np.array(counts) > episode)
        obs, info = np.empty((len(sims), engine.obs_size)), np.empty((len(sims), info_size))
        engine.reset(sims, obs, info)
        for sim in sims:
            states[sim].append(engine.physics(sim))
    rows = np.array([state for of_sim in states for state in of_sim])
    return split_state(model, rows)


def split_state(
    model: Model, states: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return qpos and qvel of mj_getState's rows, which begin with the time."""
    nq, nv = int(model.compiled.nq), int(model.compiled.nv)
    return states[:, 1 : 1 + nq].copy(), states[:, 1 + nq : 1 + nq + nv].copy()


def _starts(lengths: Sequence[int]) -> NDArray[np.int64]:
    return np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
