"""A task as a gymnasium.vector.VectorEnv, with the conventions of Gymnasium's SyncVectorEnv."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any, cast

import mujoco
import numpy as np
from gymnasium.vector import AutoresetMode
from gymnasium.vector.utils import batch_space
from numpy.typing import NDArray

from td7.envs.frame_lists import LIST, FrameLists
from td7.envs.simulated_vector_env import Observations, SimulatedVectorEnv
from td7.envs.task.definition import Task
from td7.envs.task.simulations import TaskSimulations
from td7.envs.vector_args import checked_actions, checked_mask, checked_mode, checked_seeds

Infos = dict[str, Any]
FRAME = (480, 640)
RENDER_MODES = ("rgb_array", "rgb_array" + LIST)
# Attributes that every simulation has alike, beside the task's own.
SHARED = ("action_space", "metadata", "observation_space", "render_mode", "spec")
# What the simulations are made with.
FIXED = (
    "action",
    "action_delay",
    "dt",
    "frame_skip",
    "max_episode_steps",
    "mj_model",
    "model",
    "num_sims",
    "previous_action",
)


class TaskVectorEnv(SimulatedVectorEnv):
    """N simulations of a task that begin a new episode by themselves.

    SAME_STEP: the step that ends an episode returns the next one's first observation, and the
    last one in infos["final_obs"]. NEXT_STEP: the next step ignores its action and begins anew,
    with a reward of 0. DISABLED: whoever steps resets, by reset's option reset_mask.
    """

    def __init__(
        self,
        task: Task | type[Task],
        num_envs: int = 1,
        *,
        num_threads: int = 1,
        autoreset_mode: AutoresetMode | str = AutoresetMode.SAME_STEP,
        render_mode: str | None = None,
        camera: str | int = -1,
    ) -> None:
        """Make the simulations; camera -1 is MuJoCo's free one. Errors are TaskSimulations'.

        With the render mode "rgb_array_list" every step is drawn, as by Gymnasium's
        RenderCollection.
        """
        if render_mode not in (None, *RENDER_MODES):
            wanted = " or ".join(map(repr, RENDER_MODES))
            raise ValueError(f"render_mode must be None or {wanted}, got {render_mode!r}")
        self.simulations = TaskSimulations(task, num_envs, num_threads)
        self.num_envs = num_envs
        self.autoreset_mode = checked_mode(autoreset_mode)
        self.render_mode, self.camera = render_mode, camera
        self.metadata = {
            "render_modes": [*dict.fromkeys(("rgb_array", render_mode or "rgb_array"))],
            "render_fps": round(1 / self.simulations.task.dt),
            "autoreset_mode": self.autoreset_mode,
        }
        self.single_observation_space = self.simulations.observation_space
        self.single_action_space = self.simulations.action_space
        self.observation_space = batch_space(self.single_observation_space, num_envs)
        self.action_space = batch_space(self.single_action_space, num_envs)
        self._obs = np.zeros((num_envs, *self.single_observation_space.shape))
        self._over = np.zeros(num_envs, bool)
        # the renderer looks at this copy, which becomes the model of the simulation to draw
        self._drawn_model: Any = copy.copy(self.simulations.task.mj_model)
        self._renderer: Any = None
        listed = render_mode is not None and render_mode.endswith(LIST)
        self._frames = FrameLists(num_envs, self.render_simulation) if listed else None

    def reset(
        self, *, seed: int | Sequence[int | None] | None = None, options: Infos | None = None
    ) -> tuple[Observations, Infos]:
        """Reset every simulation, or those of options["reset_mask"] (bool [N]).

        Simulation i gets seed + i, or the i-th of a list; without a seed its generator goes on.
        """
        self._expect_open()
        sims = np.arange(self.num_envs)
        seeds = checked_seeds(seed, self.num_envs)
        options = options or {}
        if "reset_mask" in options:
            sims = np.flatnonzero(checked_mask(options["reset_mask"], self.num_envs))
        self._obs[sims] = self.simulations.reset(sims, [seeds[sim] for sim in sims])
        self._over[sims] = False
        if self._frames is not None:
            self._frames.start(sims.tolist())
        return self._obs.copy(), {}

    def step(
        self, actions: NDArray[Any] | Sequence[Any]
    ) -> tuple[Observations, NDArray[Any], NDArray[Any], NDArray[Any], Infos]:
        """Step every simulation with its row of actions [N, A], finite numbers.

        Returns copies: observations, rewards, terminated, truncated, infos.
        """
        self._expect_open()
        wanted = (self.num_envs, *self.simulations.action_space.shape)
        given = checked_actions(actions, *wanted)
        if given.shape != wanted:
            raise ValueError(f"actions must be {list(wanted)}, got {list(given.shape)}")
        rewards = np.zeros(self.num_envs)
        terminated, truncated = np.zeros((2, self.num_envs), bool)
        infos: Infos = {}
        ended = np.flatnonzero(self._over)
        moved = np.arange(self.num_envs)
        if self.autoreset_mode == AutoresetMode.NEXT_STEP:
            moved = np.flatnonzero(~self._over)
        self._obs[moved], rewards[moved], terminated[moved], truncated[moved] = (
            self.simulations.step(moved, given[moved])
        )
        self._over = terminated | truncated
        if self.autoreset_mode == AutoresetMode.SAME_STEP:
            ended = np.flatnonzero(self._over)
            for sim in ended:
                final = {"final_obs": self._obs[sim].copy(), "final_info": {}}
                infos = self._add_info(infos, final, int(sim))
        if self.autoreset_mode != AutoresetMode.DISABLED and len(ended):
            self._obs[ended] = self.simulations.reset(ended)
        else:
            ended = ended[:0]
        if self._frames is not None:
            self._frames.start(ended.tolist())
            self._frames.add(np.setdiff1d(np.arange(self.num_envs), ended).tolist())
        return self._obs.copy(), rewards, terminated, truncated, infos

    def render(self) -> tuple[Any, ...]:
        """Return a picture [480, 640, 3] of every simulation.

        With "rgb_array_list" a list of the pictures since the last reset or render takes the place
        of a picture. Raises ValueError without a render_mode, RuntimeError as render_simulation.
        """
        self._expect_open()
        if self.render_mode is None:
            raise ValueError("render needs a render_mode, such as 'rgb_array', from the beginning")
        show = self.render_simulation if self._frames is None else self._frames.take
        return tuple(show(sim) for sim in range(self.num_envs))

    def render_simulation(self, sim: int) -> NDArray[np.uint8]:
        """Return a picture [480, 640, 3] of one simulation, with its own randomised model.

        Raises RuntimeError where OpenGL cannot draw; MUJOCO_GL=egl helps on a machine with no
        display.
        """
        self._expect_open()
        if self._renderer is None:
            self._renderer = self._make_renderer()
        _, data = self.simulations.simulation(sim, self._drawn_model)
        self._renderer.update_scene(data, camera=self.camera)
        return np.array(self._renderer.render())

    @property
    def np_random_seed(self) -> tuple[int, ...]:  # type: ignore[override]
        """The seed of every simulation's generator; -1 where restored generators have none."""
        self._expect_open()
        return self.simulations.seeds

    @property  # type: ignore[misc]
    def np_random(self) -> tuple[np.random.Generator, ...]:  # type: ignore[override]
        """Copies of every simulation's generator: drawing from them changes no simulation."""
        self._expect_open()
        generators = []
        for state in self.simulations.generator_states():
            bits = np.random.PCG64()
            bits.state = cast(Any, state)
            generators.append(np.random.Generator(bits))
        return tuple(generators)

    def set_attr(self, name: str, values: Any) -> None:
        """Set an attribute of the task, which all simulations share, to a value or N equal ones.

        Raises AttributeError for what the task lacks or the simulations are made with, ValueError
        for values that differ.
        """
        self._expect_open()
        task = self.simulations.task
        if name in FIXED or name.startswith("_") or not hasattr(task, name) or self._hook(name):
            raise AttributeError(
                f"{name!r} cannot be set: set_attr sets attributes that the task has, but for "
                f"methods and {', '.join(FIXED)}"
            )
        if isinstance(values, (list, tuple)):
            if len(values) != self.num_envs or any(each is not values[0] for each in values):
                raise ValueError(
                    f"values must be one value or {self.num_envs} times the same, which all "
                    f"simulations share, got {values!r}; write rows of an array of the task's "
                    "instead, env.simulations.task"
                )
            values = values[0]
        setattr(task, name, values)

    def close_extras(self, **kwargs: Any) -> None:
        """Stop the threads and free the renderer."""
        if self._renderer is not None:
            self._renderer.close()
        self.simulations.close()

    def _shared_attribute(self, name: str) -> Any:
        if name in SHARED:
            own = {
                "action_space": self.single_action_space,
                "observation_space": self.single_observation_space,
            }
            return own[name] if name in own else getattr(self, name)
        task = self.simulations.task
        if name.startswith("_") or not hasattr(task, name) or self._hook(name):
            raise AttributeError(self._lacks(name))
        return getattr(task, name)

    def _hook(self, name: str) -> bool:
        return callable(getattr(self.simulations.task, name, None))

    def _lacks(self, name: str) -> str:
        if self._hook(name):
            return f"{name!r} is for all simulations at once: call env.simulations.task.{name}"
        has = ", ".join([*SHARED, *self._own_attributes, "render"])
        return (
            f"{self.simulations.name} has no {name!r}; its simulations have {has} and the task's "
            "attributes"
        )

    def _make_renderer(self) -> Any:
        try:
            return mujoco.Renderer(self._drawn_model, *FRAME)
        except Exception as error:
            raise RuntimeError(
                f"MuJoCo cannot draw ({error}); without a display, start with MUJOCO_GL=egl"
            ) from error
