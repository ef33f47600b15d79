"""mujoco.batch: 64 simulations on all processors; numpy computes the rest for all at once."""

from __future__ import annotations

import mujoco
import numpy as np
from mujoco import batch

from benchmarks.rollouts.batch_tasks import TASKS
from benchmarks.rollouts.peer import Peer, RandomActions
from benchmarks.rollouts.policies import onnxruntime_act
from benchmarks.rollouts.recording import Model
from td7.envs.native import spaces
from td7.policy.module import PolicyModule

NUM_ENVS = 64


class MujocoBatch(Peer):
    """Gymnasium's observations, rewards, ends and resets, except that cfrc_ext is not computed.

    A step of a batch leaves it out (the observation has zeros there), so this peer does less.
    """

    packages = ("mujoco", "onnxruntime")

    def __init__(self, env: str, policy: PolicyModule | None, num_threads: int) -> None:
        self.name = "mujoco.batch" if policy is None else "mujoco.batch + onnxruntime"
        self.case = "env/all" if policy is None else "policy/all"
        model = Model.of(env)
        self.frame_skip = model.frame_skip
        self.batch = batch.Batch(model.compiled, NUM_ENVS, num_threads)
        dt = model.frame_skip * model.compiled.opt.timestep
        self.task = TASKS[env](self.batch, model.compiled, dt)
        self.max_episode_steps = 1000
        self.rng = np.random.default_rng(0)
        action_space = spaces(env)[1]
        self.act = onnxruntime_act(policy) if policy else RandomActions(action_space, NUM_ENVS)
        self.episode_steps = np.zeros(NUM_ENVS, np.int64)
        self.reset(np.arange(NUM_ENVS))
        self.obs = self.task.observe()

    def step(self) -> int:
        action = self.act(self.obs.astype(np.float32))
        self.task.remember()
        self.batch.ctrl[:] = action
        self.batch.step(nstep=self.frame_skip)
        self.reward, terminated = self.task.score(action)
        self.episode_steps += 1
        over = np.flatnonzero(terminated | (self.episode_steps >= self.max_episode_steps))
        if over.size:
            self.reset(over)
        self.obs = self.task.observe()
        return NUM_ENVS

    def reset(self, sims: np.ndarray) -> None:
        """Start episodes in some of the simulations."""
        self.batch.reset(sims, stage=mujoco.mjtStage.mjSTAGE_NONE)
        self.task.disturb(sims, self.rng)
        self.batch.forward(sims)
        self.episode_steps[sims] = 0
