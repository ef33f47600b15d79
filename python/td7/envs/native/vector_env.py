"""A native task as a gymnasium.vector.VectorEnv: what SyncVectorEnv returns, from C++ threads."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

import gymnasium
import numpy as np
from gymnasium.error import ResetNeeded
from gymnasium.utils import seeding
from gymnasium.vector import AutoresetMode
from gymnasium.vector.utils import batch_space
from numpy.typing import NDArray

from td7.envs.frame_lists import LIST, FrameLists
from td7.envs.gymnasium import SimulationError, naming_the_id
from td7.envs.native.engine import is_native, make_engine, pcg64_state, pcg64_words
from td7.envs.native.info_rows import Flags, InfoRows, Infos
from td7.envs.native.renderer import RENDER_MODES, SimulationRenderer
from td7.envs.simulated_vector_env import Observations, SimulatedVectorEnv
from td7.envs.vector_args import (
    at_least,
    checked_actions,
    checked_mask,
    checked_mode,
    checked_seeds,
    task_arguments,
)
from td7.extension import core

# Attributes that every simulation has alike.
SHARED = (
    "action_space",
    "dt",
    "frame_skip",
    "metadata",
    "observation_space",
    "render_mode",
    "spec",
)


class NativeVectorEnv(SimulatedVectorEnv):
    """N simulations of a native task; the bits that Gymnasium's SyncVectorEnv of it returns.

    SAME_STEP: the step that ends an episode returns the next one's first observation, and the last
    one in infos["final_obs"]. NEXT_STEP: the next step ignores its action and begins anew, with a
    reward of 0. DISABLED: whoever steps resets, by reset's option reset_mask.

    A state that MuJoCo finds bad within a step it resets, as in Gymnasium; infos["diverged"] [N]
    counts these, in the steps where there are any. One thread at a time may use an object.
    """

    _engine: Any = None
    _renderer: SimulationRenderer | None = None
    _frames: FrameLists | None = None
    _ready: Flags  # [N]: an episode is under way
    _over: Flags  # [N]: it ended with the last step

    def __init__(
        self,
        env: str,
        num_envs: int = 1,
        *,
        num_threads: int = 0,
        autoreset_mode: AutoresetMode | str = AutoresetMode.SAME_STEP,
        render_mode: str | None = None,
        copy: bool = True,
        **kwargs: Any,
    ) -> None:
        """Make the simulations; kwargs as of `gymnasium.make`, 0 threads: all processors.

        With copy=False the observations that reset and step return are the same array, written
        anew by each call. Raises ValueError for an id that is no native task, a bad value or a
        model that does not compile, TypeError for an argument that the task does not have. A render
        mode that ends in "_list" draws every step, as Gymnasium's RenderCollection does.
        """
        if not is_native(env):
            known = ", ".join(sorted(core.task_ids()))
            raise ValueError(f"env must be a task in C++ ({known}), got {env!r}")
        self.num_envs = at_least(1, num_envs, "num_envs")
        threads = at_least(0, num_threads, "num_threads")
        self.autoreset_mode = checked_mode(autoreset_mode)
        if render_mode not in (None, *RENDER_MODES, *(mode + LIST for mode in RENDER_MODES)):
            wanted = ", ".join(map(repr, RENDER_MODES))
            raise ValueError(
                f"render_mode must be None or one of {wanted}, or one of them with {LIST!r} at its "
                f"end, got {render_mode!r}"
            )
        self._engine = make_engine(env, self.num_envs, threads, **task_arguments(kwargs))
        if render_mode is not None:
            kwargs["render_mode"] = render_mode
        with naming_the_id(env):
            template: Any = gymnasium.make(env, **kwargs)
        self._describe(template, kwargs)
        if render_mode is None:
            template.close()
        else:
            self._renderer = SimulationRenderer(template)
            if render_mode.endswith(LIST):
                self._frames = FrameLists(self.num_envs, self._draw)
        self.copy = copy
        self._seeds: list[int | None] = [None] * self.num_envs
        self._make_buffers()

    def reset(
        self,
        *,
        seed: int | Sequence[int | None] | None = None,
        options: dict[str, Any] | None = None,
    ) -> tuple[Observations, Infos]:
        """Reset every simulation, or those of options["reset_mask"] (bool [N]).

        Simulation i gets seed + i, or the i-th of a list; None lets its generator go on, which
        starts from the system's entropy. Gymnasium's tasks read no other option. Returns the
        observations [N, S] of all simulations and the infos.
        """
        engine = self._open_engine()
        chosen = np.ones(self.num_envs, bool)
        if options is not None and "reset_mask" in options:
            chosen = checked_mask(options["reset_mask"], self.num_envs)
        sims = np.flatnonzero(chosen)
        self._seed(sims.tolist(), seed)
        obs = np.empty((len(sims), engine.obs_size))
        rows = np.zeros((len(sims), self._rows.size))
        self._ready[sims] = self._over[sims] = False
        engine.reset(sims, obs, rows)
        self._ready[sims] = True
        if self._frames is not None:
            self._frames.start(sims.tolist())
        self._obs[sims], self._reset_info[sims] = obs, rows
        return self._returned_obs(), self._rows.of_reset(self._reset_info, chosen)

    def step(
        self, actions: NDArray[Any] | Sequence[Any]
    ) -> tuple[Observations, NDArray[Any], NDArray[Any], NDArray[Any], Infos]:
        """Step every simulation with its row of actions [N, A], finite numbers.

        The task computes in float32 where the actions are, or else in float64, as Gymnasium's.
        Returns observations [N, S], rewards [N], terminated [N], truncated [N] and infos. Raises
        ResetNeeded, and after a SimulationError every simulation needs a reset.
        """
        engine = self._open_engine()
        if np.count_nonzero(self._ready) < self.num_envs:  # faster than all() for few of them
            raise ResetNeeded(self._unready())
        given = checked_actions(actions, self.num_envs, self._action_size)
        step = engine.step if given.dtype == np.float32 else engine.step_float64
        rewards = np.empty(self.num_envs)
        terminated, truncated = np.empty((2, self.num_envs), bool)
        started = self._over if self.autoreset_mode is AutoresetMode.NEXT_STEP else self._nobody
        outputs = (self._obs, rewards, terminated, truncated)
        buffers = (self._final_obs, self._info, self._reset_info, self._diverged)
        same_step = self.autoreset_mode is AutoresetMode.SAME_STEP
        try:
            step(given, started, same_step, *outputs, *buffers)
        except SimulationError:
            self._ready[:] = False
            raise
        over = terminated | truncated
        begun = over if same_step else started
        infos = self._step_infos(begun, over, given.dtype)
        if self._frames is not None:
            self._frames.start(np.flatnonzero(begun).tolist())
            self._frames.add(np.flatnonzero(~begun).tolist())
        self._over = over
        if self.autoreset_mode is AutoresetMode.DISABLED:
            self._ready = ~over
        return self._returned_obs(), rewards, terminated, truncated, infos

    def render(self, index: int | None = None) -> Any:
        """Return a tuple of a frame of every simulation, or the frame of one.

        A frame shows the simulation's present state. With a render mode that ends in "_list" a
        list of the frames since the last reset or render takes the place of a frame. Raises
        ValueError without a render_mode and RuntimeError where OpenGL cannot draw.
        """
        self._expect_open()
        if self._renderer is None:
            raise ValueError("render needs a render_mode, such as 'rgb_array', from the beginning")
        if index is None:
            return tuple(self.render(sim) for sim in range(self.num_envs))
        return self._draw(index) if self._frames is None else self._frames.take(index)

    def set_state(self, index: int, qpos: Any, qvel: Any) -> None:
        """Put a simulation's positions [nq] and velocities [nv], as MujocoEnv.set_state does."""
        position = np.ascontiguousarray(qpos, np.float64)
        velocity = np.ascontiguousarray(qvel, np.float64)
        self._open_engine().set_state(index, position, velocity)

    @property
    def np_random_seed(self) -> tuple[int, ...]:  # type: ignore[override]
        """The seed of every simulation's generator."""
        self._expect_open()
        self._seed(range(self.num_envs), None)
        return tuple(seed for seed in self._seeds if seed is not None)

    @property  # type: ignore[misc]
    def np_random(self) -> tuple[np.random.Generator, ...]:  # type: ignore[override]
        """Copies of every simulation's generator: drawing from them changes no simulation."""
        engine = self._open_engine()
        self._seed(range(self.num_envs), None)
        generators = []
        for sim in range(self.num_envs):
            bits = np.random.PCG64()
            state: Any = pcg64_state(engine.random_state(sim))
            bits.state = state
            generators.append(np.random.Generator(bits))
        return tuple(generators)

    def set_attr(self, name: str, values: Any) -> None:
        """Raise AttributeError: what a simulation in C++ is made with stays."""
        self._expect_open()
        raise AttributeError(f"{name!r} of simulations in C++ cannot be set; give it to make_vec")

    def close_extras(self, **kwargs: Any) -> None:
        """Stop the threads and free the simulations and the renderer."""
        self._engine = None
        if self._renderer is not None:
            self._renderer.close()

    def _describe(self, template: Any, kwargs: dict[str, Any]) -> None:
        """Take over what one environment says of itself."""
        self._shared = {name: template.get_wrapper_attr(name) for name in SHARED}
        self.render_mode = template.render_mode
        self.metadata = {**template.metadata, "autoreset_mode": self.autoreset_mode}
        self.single_observation_space = template.observation_space
        self.single_action_space = template.action_space
        self.observation_space = batch_space(self.single_observation_space, self.num_envs)
        self.action_space = batch_space(self.single_action_space, self.num_envs)
        # gymnasium.make_vec and td7.make_vec can make these environments again from it
        self.spec = copy.deepcopy(gymnasium.spec(template.spec.id))
        vector_kwargs = {"autoreset_mode": self.autoreset_mode.value}
        self.spec.kwargs = {**kwargs, "vector_kwargs": vector_kwargs}
        if self.num_envs != 1:
            self.spec.kwargs["num_envs"] = self.num_envs
        self.spec.max_episode_steps = template.spec.max_episode_steps

    def _make_buffers(self) -> None:
        n, obs_size = self.num_envs, self._engine.obs_size
        self._action_size = self._engine.action_size
        self._rows = InfoRows(self._engine.info_fields)
        self._obs, self._final_obs = np.zeros((2, n, obs_size))
        self._info, self._reset_info = np.zeros((2, n, self._rows.size))
        self._diverged = np.zeros(n, np.int32)
        self._ready, self._over, self._nobody = np.zeros((3, n), bool)

    def _seed(self, sims: Sequence[int], seed: Any) -> None:
        """Seed simulations, those without a seed only if they never had one."""
        seeds = checked_seeds(seed, self.num_envs)
        chosen = [i for i in sims if seeds[i] is not None or self._seeds[i] is None]
        generators = [seeding.np_random(seeds[i]) for i in chosen]
        for i, (generator, entropy) in zip(chosen, generators, strict=True):
            self._open_engine().seed(i, pcg64_words(generator.bit_generator.state))
            self._seeds[i] = entropy

    def _step_infos(self, begun: Flags, over: Flags, precision: np.dtype[Any]) -> Infos:
        some = np.count_nonzero(begun) > 0
        infos = self._rows.of_step(self._info, self._reset_info, begun if some else None, precision)
        if some and begun is over:  # SAME_STEP: the episodes before ended in this step
            ends = self._rows.of_ends(self._info, self._final_obs, over, precision)
            # a key stands where the first simulation that has it put it
            infos = {**ends, **infos} if over[0] else {**infos, **ends}
        if np.count_nonzero(self._diverged):
            infos["diverged"] = self._diverged.copy()
            infos["_diverged"] = self._diverged > 0
        return infos

    def _returned_obs(self) -> Observations:
        return self._obs.copy() if self.copy else self._obs

    def _draw(self, sim: int) -> Any:
        assert self._renderer is not None
        return self._renderer.draw(sim, self._open_engine().physics(sim))

    def _open_engine(self) -> Any:
        self._expect_open()
        return self._engine

    def _unready(self) -> str:
        waiting = np.flatnonzero(~self._ready)
        return (
            f"step needs an episode under way in every simulation, got none in {len(waiting)} of "
            f"{self.num_envs}, the first of them {waiting[0]}: reset them first"
        )

    def _shared_attribute(self, name: str) -> Any:
        if name not in SHARED:
            raise AttributeError(self._lacks(name))
        return self._shared[name]

    def _lacks(self, name: str) -> str:
        has = ", ".join([*SHARED, "np_random", "np_random_seed", "render"])
        return f"simulations in C++ have no {name!r}; they have {has}"
