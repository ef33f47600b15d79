"""The loop of TD3 for one seed and one environment, step by step: slow and obvious.

It shares the learner, the replay, the draws and the policy's module with td7, nothing of its loop.
"""

import gymnasium
import numpy as np
import torch

from td7 import LapReplay, draws
from td7.agent.algorithm import Batch
from td7.policy.module import policy_module
from td7.rollout import env_seeds
from td7.updates.learner import Learner


class Twin:
    def __init__(self, env_id, seed, config, bits_of_seeds):
        self.cfg, self.seed, self.env = config, seed, gymnasium.make(env_id)
        self.bits_of_seeds = bits_of_seeds
        self.eval_envs = [gymnasium.make(env_id) for _ in range(config.eval_episodes)]
        space = self.env.action_space
        self.bounds = {"low": torch.tensor(space.low), "high": torch.tensor(space.high)}
        sizes = self.env.observation_space.shape[0], space.shape[0]
        self.action_size = sizes[1]
        self.learner = Learner(*sizes, [seed], config)
        self.replay = LapReplay(config.buffer_capacity, *sizes, seeds=(seed,), alpha=0)
        self.evaluations = []

    def policy(self):
        return policy_module(self.learner.policy_weights(0, "current") | self.bounds)

    def train_one(self):
        batch = self.replay.sample(self.cfg.batch_size)
        tensors = [
            torch.from_numpy(getattr(batch, name))
            for name in ("obs", "action", "reward", "next_obs", "not_terminated")
        ]
        count = self.learner.updates[0]  # draws are numbered by the updates made before
        noise = draws.normal(
            [self.seed], "target_noise", [count], self.cfg.batch_size * self.action_size
        )
        self.learner.update(Batch(*tensors), torch.from_numpy(noise).view_as(tensors[1]))

    def action(self, obs, step):
        if step < self.cfg.warmup_steps:
            uniform = draws.uniform([self.seed], "warmup", [step], self.action_size)[0]
            return (2 * uniform - 1).astype(np.float32)
        noise = draws.normal([self.seed], "exploration", [step], self.action_size)[0]
        action = self.policy().normalised(torch.from_numpy(obs[None]))[0].numpy()
        return np.clip(action + np.float32(self.cfg.exploration_noise) * noise, -1, 1)

    def evaluate(self, env_steps):
        policy, returns = self.policy(), []
        seeds = env_seeds(self.seed + 100, len(self.eval_envs), self.bits_of_seeds)
        for env, seed in zip(self.eval_envs, seeds, strict=True):
            obs, _ = env.reset(seed=None if self.evaluations else seed)
            total, over = 0.0, False
            while not over:
                action = policy(torch.from_numpy(np.float32(obs)[None]))[0].numpy()
                obs, reward, terminated, truncated, _ = env.step(action)
                total, over = total + reward, terminated or truncated
            returns.append(total)
        self.evaluations.append((env_steps, returns))

    def run(self, total_steps):
        self.evaluate(0)
        obs, _ = self.env.reset(seed=self.seed)
        for step in range(total_steps):
            obs = np.float32(obs)
            action = self.action(obs, step)
            bounded = self.policy().to_env(torch.from_numpy(action[None]))[0].numpy()
            next_obs, reward, terminated, truncated, _ = self.env.step(bounded)
            self.replay.add(obs, action, reward, np.float32(next_obs), terminated, truncated)
            obs = self.env.reset()[0] if terminated or truncated else next_obs
            if step >= self.cfg.warmup_steps:
                self.train_one()
            if (step + 1) % self.cfg.eval_every == 0 or step + 1 == total_steps:
                self.evaluate(step + 1)
        return self
