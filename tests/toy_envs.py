"""Small Gymnasium environments that the tests register under `Toy/` ids."""

import gymnasium
import numpy as np
from gymnasium.spaces import Box, Dict, Discrete


class Point(gymnasium.Env):
    """A point pushed about in a plane; asymmetric bounds; may terminate, or break, on purpose."""

    observation_space = Box(-np.inf, np.inf, (3,), np.float64)
    action_space = Box(np.array([-1.0, 0.0], np.float32), np.array([3.0, 0.5], np.float32))

    def __init__(self, bad_step=None, bad_value="obs", end_at=None):
        self.bad_step, self.bad_value, self.end_at = bad_step, bad_value, end_at
        self.total_steps = 0

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.position = self.np_random.uniform(-1, 1, 2)
        self.steps = 0
        return self._obs(), {}

    def step(self, action):
        assert self.action_space.contains(action), action
        self.position = self.position + 0.1 * (action - np.array([1.0, 0.25]))
        self.steps += 1
        self.total_steps += 1
        obs, reward = self._obs(), -float(np.square(self.position).sum())
        if self.total_steps == self.bad_step:
            obs, reward = (obs * np.nan, reward) if self.bad_value == "obs" else (obs, np.inf)
        return obs, reward, self.steps == self.end_at, False, {}

    def _obs(self):
        return np.array([*self.position, self.steps / 50])


class ReusedArrays(Point):
    """Returns one float32 buffer that the next step overwrites."""

    observation_space = Box(-np.inf, np.inf, (3,), np.float32)

    def _obs(self):
        if not hasattr(self, "buffer"):
            self.buffer = np.zeros(3, np.float32)
        self.buffer[:] = super()._obs()
        return self.buffer


class DictObs(Point):
    observation_space = Dict({"position": Box(-1.0, 1.0, (2,))})


class ImageObs(Point):
    observation_space = Box(0.0, 1.0, (4, 4))


class DiscreteAction(Point):
    action_space = Discrete(3)


class IntegerAction(Point):
    action_space = Box(0, 10, (2,), np.int64)


class NarrowBounds(Point):
    action_space = Box(-0.1, 0.1, (2,), np.float64)


class Wandering(Point):
    """Episodes of 5 to 40 steps, drawn at each reset, so that members owe different debts."""

    def reset(self, *, seed=None, options=None):
        obs, info = super().reset(seed=seed)
        self.end_at = int(self.np_random.integers(5, 41))
        return obs, info


class RandomStateSeeded(Point):
    """Draws from numpy's old generator, which is made by the first seed."""

    generator = None

    def reset(self, *, seed=None, options=None):
        if seed is not None:
            self.generator = np.random.RandomState(seed)
        self.position = self.generator.uniform(-1, 1, 2)
        self.steps = 0
        return self._obs(), {}


class Int32Seeded(Point):
    """Takes seeds that fit an int32, as C libraries do."""

    def reset(self, *, seed=None, options=None):
        if seed is not None and not 0 <= seed < 2**31:
            raise ValueError(f"seed must fit an int32, got {seed}")
        return super().reset(seed=seed)


class Robot(Wandering):
    """A device that one instance at a time can open, and that notes resets within an episode."""

    opened = 0  # instances at present
    openings = 0
    broken_off = 0  # episodes that were reset before their end

    def __init__(self):
        if Robot.opened:
            raise OSError("address in use")
        Robot.opened += 1
        Robot.openings += 1
        super().__init__()
        self.over = True

    def reset(self, *, seed=None, options=None):
        Robot.broken_off += not self.over
        self.over = False
        return super().reset(seed=seed)

    def step(self, action):
        result = super().step(action)
        self.over = result[2]
        return result

    def close(self):
        Robot.opened = 0


class UnboundedAction(Point):
    action_space = Box(-np.inf, np.inf, (2,))


def register():
    for name, env in {
        "Point": Point,
        "ReusedArrays": ReusedArrays,
        "DictObs": DictObs,
        "ImageObs": ImageObs,
        "DiscreteAction": DiscreteAction,
        "IntegerAction": IntegerAction,
        "NarrowBounds": NarrowBounds,
        "Wandering": Wandering,
        "Robot": Robot,
        "RandomStateSeeded": RandomStateSeeded,
        "Int32Seeded": Int32Seeded,
        "UnboundedAction": UnboundedAction,
    }.items():
        if f"Toy/{name}-v0" not in gymnasium.registry:
            gymnasium.register(f"Toy/{name}-v0", f"toy_envs:{env.__name__}", max_episode_steps=50)
    if "Toy/Endless-v0" not in gymnasium.registry:
        gymnasium.register("Toy/Endless-v0", "toy_envs:Point")
    for name, kwargs in {
        "Ending": {"end_at": 17},
        "OneStep": {"end_at": 1},
        "NanObs": {"bad_step": 333, "bad_value": "obs"},
        "InfReward": {"bad_step": 333, "bad_value": "reward"},
    }.items():
        if f"Toy/{name}-v0" not in gymnasium.registry:
            gymnasium.register(
                f"Toy/{name}-v0", "toy_envs:Point", max_episode_steps=50, kwargs=kwargs
            )
