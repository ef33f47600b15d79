"""Collection: one member's environment, stepped by a frozen policy, stored step by step."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import gymnasium
import numpy as np
import torch
from numpy.typing import NDArray

from td7 import draws
from td7.deploy.policy import PolicyModule
from td7.envs import check_finite, to_space
from td7.replay import LapReplay


@dataclass(frozen=True)
class Episode:
    """A finished episode: its undiscounted return and its length in steps."""

    episode_return: float
    length: int


class Collector:
    """Steps one member's environment and stores every transition in its replay.

    The action of environment step t is a pure function of the policy, the observation and the
    member's draws (seed, stream, t).
    """

    def __init__(
        self,
        env: gymnasium.Env[Any, Any],
        seed: int,
        replay: LapReplay,
        member: int,
        exploration_noise: float,
    ) -> None:
        self.env, self.seed, self.replay, self.member = env, seed, replay, member
        self.exploration_noise = exploration_noise
        self.env_steps = 0
        self.obs: NDArray[np.float32] | None = None
        self.episode_return, self.episode_length, self.episodes = 0.0, 0, 0

    def step(self, policy: PolicyModule, random_action: bool) -> Episode | None:
        """Take one step, store it, and return the episode that it finished, if any."""
        if self.obs is None:
            # the environment's generator is seeded once; later resets go on with its stream
            seed = self.seed if self.episodes == 0 else None
            obs, _ = self.env.reset(seed=seed)
            self.episode_return, self.episode_length = 0.0, 0
            self.obs = self._finite(obs, "first observation")
        action = self._action(policy, self.obs, random_action)
        env_action = to_space(self.env, policy.to_env(torch.from_numpy(action)))
        next_obs, reward, terminated, truncated, _ = self.env.step(env_action)
        next_obs = self._finite(next_obs, "observation")
        self._finite(reward, "reward")
        reward, terminated, truncated = float(reward), bool(terminated), bool(truncated)
        self.replay.add(
            self.obs, action, reward, next_obs, terminated, truncated, member=self.member
        )
        self.obs = next_obs
        self.env_steps += 1
        self.episode_return += reward
        self.episode_length += 1
        if not (terminated or truncated):
            return None
        self.obs = None
        self.episodes += 1
        return Episode(self.episode_return, self.episode_length)

    def _action(
        self, policy: PolicyModule, obs: NDArray[np.float32], random_action: bool
    ) -> NDArray[np.float32]:
        """Return an action [A] in [-1, 1]: uniform, or the policy's with exploration noise."""
        size = policy.action_size
        if random_action:
            draw = draws.uniform([self.seed], "warmup", [self.env_steps], size)[0]
            return (2 * draw - 1).astype(np.float32)
        with torch.inference_mode():
            action = policy.normalised(torch.from_numpy(obs)[None])[0].numpy()
        noise = draws.normal([self.seed], "exploration", [self.env_steps], size)[0]
        return np.clip(action + np.float32(self.exploration_noise) * noise, -1, 1)

    def _finite(self, value: Any, name: str) -> NDArray[np.float32]:
        """Copy a value as float32 (an environment may reuse its arrays), checked to be finite."""
        array = np.array(value, np.float32, order="C")
        step, episode_step = self.env_steps + 1, self.episode_length + 1
        check_finite(array, name, f"seed {self.seed}, step {step} (episode step {episode_step})")
        return array
