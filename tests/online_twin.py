"""The online loop for one seed, step by step in the order of the author's code: slow and obvious.

It shares the learner, the replay, the draws and the acting policy with td7, nothing of its loop.
"""

import gymnasium
import numpy as np
import torch

from td7 import LapReplay, draws
from td7.agent.learner import Batch, Learner
from td7.deploy.native import NativePolicy
from td7.deploy.policy import policy_module
from td7.rollout import env_seeds

INF = float("inf")


class Twin:
    def __init__(self, env_id, seed, config):
        self.cfg, self.seed = config, seed
        self.env = gymnasium.make(env_id)
        self.eval_envs = [gymnasium.make(env_id) for _ in range(config.eval_episodes)]
        space = self.env.action_space
        self.bounds = {"low": torch.tensor(space.low), "high": torch.tensor(space.high)}
        sizes = self.env.observation_space.shape[0], space.shape[0]
        self.action_size = sizes[1]
        self.learner = Learner(*sizes, [seed], config)
        self.replay = LapReplay(config.buffer_capacity, *sizes, seeds=(seed,))
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
        td_error, _ = self.learner.update(Batch(*tensors), noise)
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

    def maybe_train_and_checkpoint(self, episode_return, length):
        self.episodes += 1
        self.steps += length
        self.min_return = min(self.min_return, episode_return)
        if self.min_return < self.best_min_return:
            self.train_and_reset()
        elif self.episodes == self.max_episodes:
            self.best_min_return = self.min_return
            self.learner.set_checkpoint(0)
            self.train_and_reset()

    def evaluate(self, env_steps):
        policy = self.policy("checkpoint" if self.cfg.use_checkpoints else "current")
        returns = []
        for env, seed in zip(
            self.eval_envs, env_seeds(self.seed + 100, len(self.eval_envs)), strict=True
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
        cfg, learning = self.cfg, False
        obs, _ = self.env.reset(seed=self.seed)
        episode_return, length = 0.0, 0
        self.evaluate(0)
        for t in range(total_steps):
            policy = self.policy("current")
            if learning:
                action = policy.normalised(np.float32(obs)[None])[0]
                noise = draws.normal([self.seed], "exploration", [t], self.action_size)[0]
                action = np.clip(action + np.float32(cfg.exploration_noise) * noise, -1, 1)
            else:
                uniform = draws.uniform([self.seed], "warmup", [t], self.action_size)[0]
                action = (2 * uniform - 1).astype(np.float32)
            env_action = policy.to_env(action[None])[0]
            next_obs, reward, terminated, truncated, _ = self.env.step(env_action)
            rows = np.float32(obs), action, reward, np.float32(next_obs)
            self.replay.add(*rows, terminated, truncated)
            episode_return, length, obs = episode_return + reward, length + 1, next_obs
            if learning and not cfg.use_checkpoints:
                self.train_one()
            if terminated or truncated:
                if learning and cfg.use_checkpoints:
                    self.maybe_train_and_checkpoint(episode_return, length)
                if t + 1 > cfg.warmup_steps:
                    learning = True
                obs, _ = self.env.reset()
                episode_return, length = 0.0, 0
            if (t + 1) % cfg.eval_every == 0 or t + 1 == total_steps:
                self.evaluate(t + 1)
        return self
