"""Any Gymnasium id with 1-D Box observations and finite Box actions, checked at the door."""

from __future__ import annotations

import contextlib
import reprlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import gymnasium
import numpy as np
from gymnasium.spaces import Box
from numpy.typing import NDArray

from td7.envs.mujoco_warnings import warnings_to_terminal
from td7.envs.simulations import Stepped, of_simulation, place
from td7.extension import core

# An error of the physics, or a value that is not finite; the same class in C++.
SimulationError: type[RuntimeError] = core.SimulationError


def make_env(env_id: str, max_episode_steps: int = 0) -> gymnasium.Env[Any, Any]:
    """Make a Gymnasium environment that TD7 can learn, or say why it cannot.

    max_episode_steps replaces the registered time limit, unless 0.
    Raises ValueError, naming the id or the space, for an unknown id, an observation space that is
    not a 1-D Box, or an action space that is not a 1-D Box of floats with finite bounds.
    """
    with naming_the_id(env_id):
        env = gymnasium.make(env_id, max_episode_steps=max_episode_steps or None)
    try:
        _check_spaces(env_id, env)
    except ValueError:
        env.close()
        raise
    return env


def to_space(space: Box, action: NDArray[np.float32]) -> NDArray[Any]:
    """Return actions [..., A] in the dtype of the environment's space, within its own bounds."""
    if space.dtype == np.float32:
        return action
    # bounds that are no float32 numbers: rounding may have stepped over them
    return np.clip(action.astype(space.dtype), space.low, space.high)


class GymnasiumSimulations:
    """`Simulations` of any Gymnasium id, one environment each, made when first reset."""

    def __init__(
        self, env_id: str, num_sims: int, seed_bits: int = 31, max_episode_steps: int = 0
    ) -> None:
        """seed_bits: 31, since some environments need a seed that fits an int32."""
        self._env_id, self.seed_bits, self._limit = env_id, seed_bits, max_episode_steps
        self._envs: list[gymnasium.Env[Any, Any] | None] = [None] * num_sims
        first = self._env(0)
        assert isinstance(first.observation_space, Box) and isinstance(first.action_space, Box)
        self.observation_space, self.action_space = first.observation_space, first.action_space
        self.max_episode_steps = first.spec.max_episode_steps if first.spec else None

    def reset(
        self, sims: NDArray[np.int64], seeds: Sequence[int | None] | None = None
    ) -> NDArray[Any]:
        """Start episodes; see Simulations."""
        chosen = [None] * len(sims) if seeds is None else seeds
        pairs = zip(sims.tolist(), chosen, strict=True)
        results = [self._call(sim, "reset", seed=seed) for sim, seed in pairs]
        (obs, _) = self._parts(sims, results, "reset", "(obs, info)")
        return self._stacked(sims, obs, "observation", self.observation_space.shape)

    def step(self, sims: NDArray[np.int64], actions: NDArray[np.float32]) -> Stepped:
        """Step one after another; see Simulations."""
        pairs = zip(sims.tolist(), to_space(self.action_space, actions), strict=True)
        results = [self._call(sim, "step", action) for sim, action in pairs]
        wanted = "(obs, reward, terminated, truncated, info)"
        obs, reward, terminated, truncated, _ = self._parts(sims, results, "step", wanted)
        return (
            self._stacked(sims, obs, "observation", self.observation_space.shape),
            self._stacked(sims, reward, "reward", ()).astype(np.float64),
            self._stacked(sims, terminated, "terminated", ()).astype(np.bool_),
            self._stacked(sims, truncated, "truncated", ()).astype(np.bool_),
        )

    def generator_states(self, sims: NDArray[np.int64]) -> list[dict[str, Any]]:
        """Return the states of generators [n]; empty where it is not numpy's PCG64, or unused."""
        generators = [_generator(self._env(sim).unwrapped) for sim in sims.tolist()]
        bits = [getattr(generator, "bit_generator", None) for generator in generators]
        return [dict(each.state) if isinstance(each, np.random.PCG64) else {} for each in bits]

    def restore_generators(self, states: Sequence[dict[str, Any]], sims: NDArray[np.int64]) -> None:
        """Put generators' states back."""
        for sim, state in zip(sims.tolist(), states, strict=True):
            if state:
                generator = np.random.Generator(np.random.PCG64())
                generator.bit_generator.state = state
                self._env(sim).unwrapped.np_random = generator

    def close(self) -> None:
        """Close the environments."""
        for env in self._envs:
            if env is not None:
                env.close()

    def _call(self, sim: int, name: str, *args: Any, **kwargs: Any) -> Any:
        """Call an environment; what it raises becomes a RuntimeError that names it and the line."""
        env = self._env(sim)
        try:
            return getattr(env, name)(*args, **kwargs)
        except Exception as error:
            raised = f"{type(error).__name__}: {error} ({place(error)})"
            text = f"{self._env_id}: {name} of simulation {sim} raised {raised}"
            raise of_simulation(RuntimeError(text), sim) from error

    def _parts(
        self, sims: NDArray[np.int64], results: Sequence[Any], name: str, wanted: str
    ) -> list[tuple[Any, ...]]:
        """Return what calls [n] returned part by part; SimulationError where that is another."""
        count = wanted.count(",") + 1
        for sim, result in zip(sims.tolist(), results, strict=True):
            if not isinstance(result, tuple) or len(result) != count:
                raise SimulationError(
                    f"{self._env_id}: {name} of simulation {sim} must return {wanted}, "
                    f"got {_described(result)}"
                )
        return list(zip(*results, strict=True))

    def _stacked(
        self, sims: NDArray[np.int64], values: Sequence[Any], name: str, shape: tuple[int, ...]
    ) -> NDArray[Any]:
        """Return a copy of values [n, *shape]; SimulationError where one is of another form."""
        with contextlib.suppress(Exception):  # each library's arrays raise errors of their own
            stacked = np.array(values)  # an environment may reuse its arrays
            if stacked.shape == (len(sims), *shape) and stacked.dtype.kind in "fiub":
                return stacked
        wanted = f"{shape[0]} real numbers" if shape else "a number"
        for sim, value in zip(sims.tolist(), values, strict=True):
            with contextlib.suppress(Exception):
                array = np.asarray(value)
                if array.shape == shape and array.dtype.kind in "fiub":
                    continue
            raise SimulationError(
                f"{self._env_id}: {name} of simulation {sim} must be {wanted}, "
                f"got {_described(value)}"
            )
        raise SimulationError(f"{self._env_id}: {name} must be {wanted}, got several types")

    def _env(self, sim: int) -> gymnasium.Env[Any, Any]:
        env = self._envs[sim]
        if env is None:
            env = self._envs[sim] = make_env(self._env_id, self._limit)
        return env


def _generator(env: gymnasium.Env[Any, Any]) -> Any:
    """Return Gymnasium's generator; None where the environment draws from another of its own."""
    if type(env).np_random is gymnasium.Env.np_random and env._np_random is None:
        return None
    return env.np_random


@contextmanager
def naming_the_id(env_id: str) -> Iterator[None]:
    """Make environments of an id within; what cannot be made raises ValueError with its name."""
    try:
        with warnings_to_terminal():
            yield
    except gymnasium.error.DependencyNotInstalled as error:
        raise ValueError(f"env {env_id!r} needs a package that is missing: {error}") from error
    except (gymnasium.error.Error, ModuleNotFoundError) as error:
        if env_id in gymnasium.registry:
            raise ValueError(f"env {env_id!r} cannot be made: {error}") from error
        hint = " (a task is named FILE.py:CLASS)" if env_id.endswith(".py") else ""
        raise ValueError(
            f"env must be a known Gymnasium id, got {env_id!r}{hint}: {error}"
        ) from error


def _described(value: Any) -> str:
    """Return what a value is, in a few words."""
    if isinstance(value, np.ndarray):
        return f"an array of {value.dtype} {list(value.shape)}"
    return reprlib.repr(value)


def _check_spaces(env_id: str, env: gymnasium.Env[Any, Any]) -> None:
    obs, action = env.observation_space, env.action_space
    if not isinstance(obs, Box) or len(obs.shape) != 1 or obs.shape[0] == 0:
        raise ValueError(f"{env_id}: observation space must be a 1-D Box, got {obs}")
    if not isinstance(action, Box) or len(action.shape) != 1 or action.shape[0] == 0:
        raise ValueError(f"{env_id}: action space must be a 1-D Box, got {action}")
    low, high = action.low.astype(np.float32), action.high.astype(np.float32)
    if not np.issubdtype(action.dtype, np.floating):
        raise ValueError(f"{env_id}: action space must be of floats, got {action}")
    if not (np.isfinite(low).all() and np.isfinite(high).all()):
        raise ValueError(f"{env_id}: action space must have finite bounds, got {action}")
    if not (low < high).all():
        raise ValueError(f"{env_id}: action bounds must have low < high, got {action}")
