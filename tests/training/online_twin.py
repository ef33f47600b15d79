"""The online loop for one seed, step by step in the order of the author's code: slow and obvious.

It shares the learner, the replay, the draws and the acting policy with td7, nothing of its loop.
"""

import math

import gymnasium
import numpy as np
import torch

from td7 import LapReplay, draws
from td7.agent.algorithm import Batch
from td7.policy.module import policy_module
from td7.policy.native import NativePolicy
from td7.rollout import env_seeds
from td7.updates.learner import Learner

INF = float("inf")


class Simulation:
    def __init__(self, index, seed, env):
        self.index, self.seed, self.env = index, seed, env
        self.obs, self.rows, self.steps, self.over = None, [], 0, False


class Twin:
    def __init__(self, env_id, seed, config):
        self.cfg, self.seed = config, seed
        self.bits_of_seeds = 31 if env_id.startswith("Toy/") else 64  # the rest is native
        self.sims = [
            Simulation(index, env_seed, gymnasium.make(env_id))
            for index, env_seed in enumerate(env_seeds(seed, config.num_envs, self.bits_of_seeds))
        ]
        self.eval_envs = [gymnasium.make(env_id) for _ in range(config.eval_episodes)]
        space = self.sims[0].env.action_space
        self.bounds = {"low": torch.tensor(space.low), "high": torch.tensor(space.high)}
        sizes = self.sims[0].env.observation_space.shape[0], space.shape[0]
        self.action_size = sizes[1]
        self.learner = Learner(*sizes, [seed], config)
        self.replay = LapReplay(
            config.buffer_capacity, *sizes, seeds=(seed,), streams=config.num_envs
        )
        self.best_min_return, self.min_return = -INF, INF
        self.episodes, self.steps = 0, 0
        self.max_episodes = config.assessment_episodes
        self.evaluations = []

    def policy(self, which):
        return NativePolicy(policy_module(self.learner.policy_weights(0, which) | self.bounds))

    def train_one(self):
        batch = self.replay.sample(self.cfg.batch_size)
        tensors = [
            torch.from_numpy(getattr(batch, name))
            for name in ("obs", "action", "reward", "next_obs", "not_terminated")
        ]
        count = self.learner.updates[0]  # draws are numbered by the updates made before
        size = self.cfg.batch_size * self.action_size
        noise = draws.normal([self.seed], "target_noise", [count], size)
        noise = torch.from_numpy(noise).view_as(tensors[1])
        td_error = self.learner.update(Batch(*tensors), noise).td_error
        self.replay.update_priorities(batch.index, td_error.numpy())
        if self.learner.updates[0] % self.cfg.target_update_period == 0:
            self.replay.reset_max_priority()

    def train_and_reset(self):
        for _ in range(self.steps):
            if self.learner.updates[0] == self.cfg.late_after_updates:
                if self.best_min_return > -INF:
                    self.best_min_return -= 0.1 * abs(self.best_min_return)
                self.max_episodes = self.cfg.late_assessment_episodes
            self.train_one()
        self.episodes, self.steps, self.min_return = 0, 0, INF

    def maybe_train_and_checkpoint(self, episodes):
        ended = False
        for episode_return, length in episodes:
            self.steps += length
            if ended:
                continue  # it ran beside the one that ended the assessment
            self.episodes += 1
            self.min_return = min(self.min_return, episode_return)
            if self.min_return < self.best_min_return:
                ended = True
            elif self.episodes == self.max_episodes:
                self.best_min_return = self.min_return
                self.learner.set_checkpoint(0)
                ended = True
        if ended:
            self.train_and_reset()

    def evaluate_through(self, env_steps):
        due = range(0, self.total, self.cfg.eval_every)
        for step in [*due, self.total]:
            if step <= env_steps and all(step > done for done, _ in self.evaluations):
                self.evaluate(step)

    def evaluate(self, env_steps):
        policy = self.policy("checkpoint" if self.cfg.use_checkpoints else "current")
        returns = []
        for env, seed in zip(
            self.eval_envs,
            env_seeds(self.seed + 100, len(self.eval_envs), self.bits_of_seeds),
            strict=True,
        ):
            obs, _ = env.reset(seed=None if self.evaluations else seed)
            total, over = 0.0, False
            while not over:
                action = policy(np.float32(obs)[None])[0]
                obs, reward, terminated, truncated, _ = env.step(action)
                total, over = total + reward, terminated or truncated
            returns.append(total)
        self.evaluations.append((env_steps, returns))

    def run(self, total_steps):
        self.total, self.taken, self.learning = total_steps, 0, False
        self.evaluate_through(0)
        while self.taken < total_steps:
            if self.learning and not self.cfg.use_checkpoints:
                for sim in self.sims[: min(len(self.sims), total_steps - self.taken)]:
                    self.step(sim)
                self.store(self.sims)
                self.evaluate_through(self.taken - 1)
                for _ in range(self.taken - self.trained_after):
                    self.train_one()
            else:
                left = self.max_episodes - self.episodes
                if not self.learning:  # as many as the warm-up takes, if all are of full length
                    longest = self.sims[0].env.spec.max_episode_steps
                    missing = self.cfg.warmup_steps + 1 - self.taken
                    left = max(1, math.ceil(missing / longest))
                self.wave(self.sims[: min(len(self.sims), left)])
            self.trained_after = self.taken
            self.evaluate_through(self.taken)
        return self

    def wave(self, sims):
        """One episode in each simulation, one after another; then they are stored and counted."""
        for sim in sims:
            sim.over = False
        while (running := [s for s in sims if not s.over]) and self.taken < self.total:
            # near the end of the run each may take its part of the steps that are left
            left = self.total - self.taken
            for place, sim in enumerate(running):
                for _ in range(left // len(running) + (place < left % len(running))):
                    if not sim.over:
                        self.step(sim)
        self.store(sims)
        self.evaluate_through(self.taken - 1)
        if all(sim.over for sim in sims) and self.learning:
            self.maybe_train_and_checkpoint([(sim.total, sim.length) for sim in sims])
        elif all(sim.over for sim in sims):
            self.learning = self.taken > self.cfg.warmup_steps

    def step(self, sim):
        if sim.obs is None:
            sim.obs, _ = sim.env.reset(seed=sim.seed if sim.steps == 0 else None)
            sim.total, sim.length = 0.0, 0
        policy, draw = self.policy("current"), [sim.index * 2**40 + sim.steps]
        if self.learning:
            action = policy.normalised(np.float32(sim.obs)[None])[0]
            noise = draws.normal([self.seed], "exploration", draw, self.action_size)[0]
            action = np.clip(action + np.float32(self.cfg.exploration_noise) * noise, -1, 1)
        else:
            uniform = draws.uniform([self.seed], "warmup", draw, self.action_size)[0]
            action = (2 * uniform - 1).astype(np.float32)
        next_obs, reward, terminated, truncated, _ = sim.env.step(policy.to_env(action[None])[0])
        row = np.float32(sim.obs), action, reward, np.float32(next_obs), terminated, truncated
        sim.rows.append(row)
        sim.total, sim.length, sim.steps = sim.total + reward, sim.length + 1, sim.steps + 1
        sim.over = terminated or truncated
        sim.obs = None if sim.over else next_obs
        self.taken += 1

    def store(self, sims):
        for sim in sims:
            for row in sim.rows:
                self.replay.add(*row, stream=sim.index)
            sim.rows.clear()
