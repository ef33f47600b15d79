"""A task as a gymnasium.vector.VectorEnv, with the conventions of Gymnasium's SyncVectorEnv."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

import mujoco
import numpy as np
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space
from numpy.typing import NDArray

from td7.envs.task.definition import Task
from td7.envs.task.simulations import TaskSimulations
from td7.envs.vector_args import checked_mask, checked_mode

Observations = NDArray[np.float64]
Infos = dict[str, Any]
FRAME = (480, 640)


class TaskVectorEnv(VectorEnv[Observations, NDArray[np.float32], NDArray[Any]]):
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
        """Make the simulations; camera -1 is MuJoCo's free one. Errors are TaskSimulations'."""
        if render_mode not in (None, "rgb_array"):
            raise ValueError(f"render_mode must be None or 'rgb_array', got {render_mode!r}")
        self.simulations = TaskSimulations(task, num_envs, num_threads)
        self.num_envs = num_envs
        self.autoreset_mode = checked_mode(autoreset_mode)
        self.render_mode, self.camera = render_mode, camera
        self.metadata = {
            "render_modes": ["rgb_array"],
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

    def reset(
        self, *, seed: int | Sequence[int | None] | None = None, options: Infos | None = None
    ) -> tuple[Observations, Infos]:
        """Reset every simulation, or those of options["reset_mask"] (bool [N]).

        Simulation i gets seed + i, or the i-th of a list; without a seed its generator goes on.
        """
        sims = np.arange(self.num_envs)
        seeds: Sequence[int | None]
        if seed is None or isinstance(seed, (int, np.integer)):
            seeds = [None if seed is None else int(seed) + i for i in range(self.num_envs)]
        else:
            seeds = list(seed)
        if len(seeds) != self.num_envs:
            raise ValueError(f"seed must be {self.num_envs} seeds, got {len(seeds)}")
        options = options or {}
        if "reset_mask" in options:
            sims = np.flatnonzero(checked_mask(options["reset_mask"], self.num_envs))
        self._obs[sims] = self.simulations.reset(sims, [seeds[sim] for sim in sims])
        self._over[sims] = False
        return self._obs.copy(), {}

    def step(
        self, actions: NDArray[np.float32]
    ) -> tuple[Observations, NDArray[Any], NDArray[Any], NDArray[Any], Infos]:
        """Step every simulation; returns copies: observations, rewards, terminated, truncated."""
        wanted = self.action_space.shape
        if np.shape(actions) != wanted:
            raise ValueError(f"actions must be {list(wanted or ())}, got {list(np.shape(actions))}")
        rewards = np.zeros(self.num_envs)
        terminated, truncated = np.zeros((2, self.num_envs), bool)
        infos: Infos = {}
        ended = np.flatnonzero(self._over)
        moved = np.arange(self.num_envs)
        if self.autoreset_mode == AutoresetMode.NEXT_STEP:
            moved = np.flatnonzero(~self._over)
        self._obs[moved], rewards[moved], terminated[moved], truncated[moved] = (
            self.simulations.step(moved, np.asarray(actions)[moved])
        )
        self._over = terminated | truncated
        if self.autoreset_mode == AutoresetMode.SAME_STEP:
            ended = np.flatnonzero(self._over)
            for sim in ended:
                final = {"final_obs": self._obs[sim].copy(), "final_info": {}}
                infos = self._add_info(infos, final, int(sim))
        if self.autoreset_mode != AutoresetMode.DISABLED and len(ended):
            self._obs[ended] = self.simulations.reset(ended)
        return self._obs.copy(), rewards, terminated, truncated, infos

    def render(self) -> tuple[NDArray[np.uint8], ...]:
        """Return a picture [480, 640, 3] of every simulation.

        Raises ValueError without a render_mode, RuntimeError as render_simulation.
        """
        if self.render_mode is None:
            raise ValueError("render needs a render_mode, such as 'rgb_array', from the beginning")
        return tuple(self.render_simulation(sim) for sim in range(self.num_envs))

    def render_simulation(self, sim: int) -> NDArray[np.uint8]:
        """Return a picture [480, 640, 3] of one simulation, with its own randomised model.

        Raises RuntimeError where OpenGL cannot draw; MUJOCO_GL=egl helps on a machine with no
        display.
        """
        if self._renderer is None:
            self._renderer = self._make_renderer()
        _, data = self.simulations.simulation(sim, self._drawn_model)
        self._renderer.update_scene(data, camera=self.camera)
        return np.array(self._renderer.render())

    def close_extras(self, **kwargs: Any) -> None:
        """Stop the threads and free the renderer."""
        if self._renderer is not None:
            self._renderer.close()
        self.simulations.close()

    def _make_renderer(self) -> Any:
        try:
            return mujoco.Renderer(self._drawn_model, *FRAME)
        except Exception as error:
            raise RuntimeError(
                f"MuJoCo cannot draw ({error}); without a display, start with MUJOCO_GL=egl"
            ) from error
