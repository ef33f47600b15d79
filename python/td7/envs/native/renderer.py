"""Frames of simulations that live in C++, by Gymnasium's own renderer of one environment."""

from __future__ import annotations

from typing import Any

import gymnasium
import mujoco
import numpy as np
from numpy.typing import NDArray

RENDER_MODES = ("rgb_array", "depth_array", "rgbd_tuple")


class SimulationRenderer:
    """Draws states in one Gymnasium environment, which nothing else steps.

    The frames are those of an environment for each simulation: Gymnasium points a free camera at
    what it sees when it draws first, and so the camera of each simulation is kept.
    """

    def __init__(self, env: gymnasium.Env[Any, Any]) -> None:
        """Take over the environment, a MujocoEnv with a render mode of RENDER_MODES."""
        self._env: Any = env.unwrapped
        self._looks_at: dict[int, NDArray[np.float64]] = {}

    def draw(self, sim: int, state: NDArray[np.float64]) -> Any:
        """Return the frame of a simulation in a state of mjSTATE_INTEGRATION.

        It shows the state itself; the bodies in a frame of a Gymnasium environment lag behind it by
        a fraction of a step. Raises RuntimeError where OpenGL cannot draw.
        """
        model, data = self._env.model, self._env.data
        mujoco.mj_setState(model, data, state, mujoco.mjtState.mjSTATE_INTEGRATION)
        mujoco.mj_forward(model, data)
        viewer = self._viewer()
        if "lookat" not in (self._env.mujoco_renderer.default_cam_config or {}):
            default = np.median(data.geom_xpos, axis=0)
            viewer.cam.lookat[:] = self._looks_at.setdefault(sim, default)
        return self._env.render()

    def close(self) -> None:
        """Close the environment."""
        self._env.close()

    def _viewer(self) -> Any:
        try:
            return self._env.mujoco_renderer._get_viewer(self._env.render_mode)
        except Exception as error:
            raise RuntimeError(
                f"MuJoCo cannot draw ({error}); without a display, start with MUJOCO_GL=egl"
            ) from error
