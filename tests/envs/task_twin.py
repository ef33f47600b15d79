"""A Task that uses every hook, and its slow, obvious twin: one environment on plain MuJoCo."""

import copy
from pathlib import Path

import gymnasium
import mujoco
import numpy as np
from gymnasium.spaces import Box

from td7.envs.task import Task


class Crawler(Task):
    """Delayed, randomised, pushed about; falls over now and then; episodes of at most 40 steps."""

    model = "../data/crawler.xml"
    frame_skip = 3
    max_episode_steps = 40
    action_delay = (0, 3)

    def setup(self):
        self.qpos, self.qvel, self.sensors = map(self.data, ("qpos", "qvel", "sensordata"))
        self.push = self.body("trunk").xfrc_applied
        self.noise = np.zeros((self.num_sims, 2))

    def randomise(self, sims, random):
        self.model_field("body_mass")[sims] *= random.uniform(0.7, 1.3, self.mj_model.nbody)
        self.model_field("geom_friction")[sims, :, 0] *= random.uniform(0.5, 1.5)[:, None]
        self.model_field("actuator_gainprm")[sims, 0, 0] *= random.uniform(0.8, 1.2)
        self.model_field("opt.gravity")[sims, 0] = random.normal(0, 0.1)

    def reset(self, sims, random):
        self.qpos[sims] += random.uniform(-0.05, 0.05, 5)
        self.qvel[sims] = random.normal(0, [0.1, 0.1, 0.5, 1, 1])
        self.noise[sims] = random.normal(0, 0.01, 2)
        self.data("ctrl")[sims, 1] = 0.1

    def after_step(self, sims, random):
        self.noise[sims] = 0.5 * self.noise[sims] + random.normal(0, 0.01, 2)
        self.push[sims, 2] = random.integers(-1, 2) * 5.0

    def observe(self):
        noisy = self.qpos[:, 3:] + self.noise
        return np.hstack([self.qpos[:, 1:3], noisy, self.qvel, self.sensors, self.action])

    def reward(self, action):
        change = action - self.previous_action
        return self.qvel[:, 0] - 0.1 * (change[:, 0] * change[:, 0] + change[:, 1] * change[:, 1])

    def terminated(self):
        return np.abs(self.qpos[:, 2]) > 0.1


class CrawlerTwin(gymnasium.Env):
    """What Crawler means, one simulation, without mujoco.batch; truncated by TimeLimit."""

    def __init__(self):
        path = Path(__file__).parents[1] / "data" / "crawler.xml"
        self.own_model = mujoco.MjModel.from_xml_path(str(path))
        low, high = self.own_model.actuator_ctrlrange.T
        self.low, self.high = low, high
        self.action_space = Box(low.astype(np.float32), high.astype(np.float32))
        self.observation_space = Box(-np.inf, np.inf, (17,), np.float64)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        random = self.np_random
        self.delay = random.integers(0, 4)
        self.model = copy.copy(self.own_model)
        self.model.body_mass *= random.uniform(0.7, 1.3, self.model.nbody)
        self.model.geom_friction[:, 0] *= random.uniform(0.5, 1.5)
        self.model.actuator_gainprm[0, 0] *= random.uniform(0.8, 1.2)
        self.model.opt.gravity[0] = random.normal(0, 0.1)
        mujoco.mj_setConst(self.model, mujoco.MjData(self.model))
        self.data = mujoco.MjData(self.model)
        self.data.qpos += random.uniform(-0.05, 0.05, 5)
        self.data.qvel[:] = random.normal(0, [0.1, 0.1, 0.5, 1, 1])
        self.noise = random.normal(0, 0.01, 2)
        self.data.ctrl[1] = 0.1
        mujoco.mj_forward(self.model, self.data)
        self.actions = [self.data.ctrl.copy()] * 2
        self.under_way = [self.data.ctrl.copy()] * self.delay
        return self.observe(), {}

    def step(self, action):
        action = np.clip(np.asarray(action, np.float64), self.low, self.high)
        self.actions = [self.actions[1], action]
        self.under_way.append(action)
        self.data.ctrl[:] = self.under_way.pop(0)
        for _ in range(3):
            mujoco.mj_step(self.model, self.data)
        mujoco.mj_step1(self.model, self.data)
        self.noise = 0.5 * self.noise + self.np_random.normal(0, 0.01, 2)
        self.data.body("trunk").xfrc_applied[2] = self.np_random.integers(-1, 2) * 5.0
        change = self.actions[1] - self.actions[0]
        cost = 0.1 * (change[0] * change[0] + change[1] * change[1])
        reward = self.data.qvel[0] - cost
        return self.observe(), reward, bool(abs(self.data.qpos[2]) > 0.1), False, {}

    def observe(self):
        qpos, qvel = self.data.qpos, self.data.qvel
        noisy = qpos[3:] + self.noise
        return np.hstack([qpos[1:3], noisy, qvel, self.data.sensordata, self.actions[1]])


def twin():
    """Return the twin with Gymnasium's own time limit."""
    return gymnasium.wrappers.TimeLimit(CrawlerTwin(), Crawler.max_episode_steps)
