"""td7's own runs: whole episodes by the engine, rows kept, as a learner collects them."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Literal, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.rollouts.recording import Model, Recording, split_state
from td7.draws import seed_array
from td7.envs.native import make_engine, pcg64_words
from td7.extension import core
from td7.policy.module import PolicyModule
from td7.policy.native import NativePolicy

NOISE = 0.1  # of exploration, the paper's


class Run(NamedTuple):
    """What was timed."""

    env_steps: int
    wall_s: float
    recording: Recording


class NativeRun:
    """P members with N simulations each, in waves: each runs a whole episode, then all go on.

    Actions are the policies' with exploration noise or, "random", a warm-up's.
    """

    def __init__(
        self,
        model: Model,
        policies: Sequence[PolicyModule],
        sims_per_member: int,
        num_threads: int,
        behaviour: Literal["random", "explore"],
    ) -> None:
        self.model, self.policies, self.sims_per_member = model, policies, sims_per_member
        self.num_sims = len(policies) * sims_per_member
        self.engine = make_engine(model.env, self.num_sims, num_threads)
        for sim in range(self.num_sims):
            self.engine.seed(sim, pcg64_words(dict(np.random.PCG64(sim).state)))
        self.rollouts = core.Rollouts(self.engine, seed_array(range(len(policies))), True)
        shape = len(policies), sims_per_member
        whole = np.full(shape, self.engine.max_episode_steps, np.int64)
        natives = [NativePolicy(policy).core for policy in policies]
        self.arguments = natives, whole, [behaviour] * len(policies), NOISE

    def run(self, seconds: float) -> Run:
        """Run waves until they have taken `seconds`; recording them is not timed."""
        generators = [self.engine.random_state(sim) for sim in range(self.num_sims)]
        actions: list[list[NDArray[np.float32]]] = [[] for _ in range(self.num_sims)]
        steps_before, wall_s = int(self.rollouts.steps.sum()), 0.0
        while wall_s < seconds:
            start = time.perf_counter()
            self.rollouts.run(*self.arguments)
            wall_s += time.perf_counter() - start
            for sim, episodes in enumerate(actions):
                episodes.append(self._env_actions(sim))
            start = time.perf_counter()
            for sim in range(self.num_sims):
                self.rollouts.clear(sim)
            wall_s += time.perf_counter() - start
        states = np.array([self.engine.physics(sim) for sim in range(self.num_sims)])
        final_qpos, _ = split_state(self.model, states)
        recording = Recording.of(self.model, actions, generators, final_qpos)
        return Run(int(self.rollouts.steps.sum()) - steps_before, wall_s, recording)

    def _env_actions(self, sim: int) -> NDArray[np.float32]:
        _, action, _, _ = self.rollouts.rows(sim)
        policy = self.policies[sim // self.sims_per_member]
        return policy.to_env(torch.from_numpy(action)).numpy()
