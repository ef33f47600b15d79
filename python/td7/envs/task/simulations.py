"""N simulations of a task on a thread pool, each reset and stepped only when asked.

Nothing here resets by itself: that is for whoever steps (TaskVectorEnv, or the collection).
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from typing import Any

import mujoco
import numpy as np
from gymnasium.spaces import Box
from mujoco import batch
from numpy.typing import ArrayLike, NDArray

from td7.envs.gymnasium import SimulationError
from td7.envs.mujoco_warnings import collected_warnings
from td7.envs.simulations import of_simulation
from td7.envs.task import hooks
from td7.envs.task.definition import Sims, Task
from td7.envs.task.model import action_bounds, compile_model, warning_advice
from td7.envs.task.random import SimulationGenerators
from td7.envs.task.settings import check_settings, name_entries

# MuJoCo resets a simulation that has diverged within the step, and only counts it here
_DIVERGED = [
    int(mujoco.mjtWarning.mjWARN_BADQPOS),
    int(mujoco.mjtWarning.mjWARN_BADQVEL),
    int(mujoco.mjtWarning.mjWARN_BADQACC),
]

Steps = tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.bool_], NDArray[np.bool_]]


class TaskSimulations:
    """N simulations of a task; rows of every array are in the order of the `sims` asked for.

    What a simulation does depends on its own seed and actions: not on num_threads, nor on which
    others are stepped beside it, as long as the task's hooks compute row by row. Not to be used
    from several Python threads at once.
    """

    def __init__(self, task: Task | type[Task], num_sims: int = 1, num_threads: int = 1) -> None:
        """Compile the model, make the simulations and try every hook once.

        Raises ValueError, TypeError, FileNotFoundError or RuntimeError for a task that cannot be
        run, naming the setting or hook.
        """
        for name, value in {"num_sims": num_sims, "num_threads": num_threads}.items():
            if isinstance(value, bool) or not isinstance(value, int) or value < 1:
                raise ValueError(f"{name} must be an integer of at least 1, got {value!r}")
        self.task = task() if isinstance(task, type) else task
        self.name = type(self.task).__name__
        if self.task._batch is not None:
            raise ValueError(f"task must be a class or a new {self.name}, got one in use")
        check_settings(self.task)
        model = compile_model(self.task)
        self._bounds = action_bounds(model, f"{self.name}.model")
        self.num_sims, self.max_episode_steps = num_sims, self.task.max_episode_steps
        self.seed_bits = 64
        # every simulation keeps its MjData: a field that a step does not compute is then its own
        self._batch: Any = batch.Batch(model, num_sims, num_threads, persistent=True)
        self._generators = SimulationGenerators(num_sims)
        action_size = len(self._bounds)
        self._ctrl = self._batch.bind("ctrl")
        self._action = np.zeros((num_sims, action_size))
        self._previous_action = np.zeros((num_sims, action_size))
        # the actions under way: step t writes slot t % length, and a slot not yet written holds
        # the controls of the reset
        self._under_way = np.zeros((num_sims, self.task.action_delay[1] + 1, action_size))
        self._delay = np.zeros(num_sims, np.int64)
        self._steps = np.zeros(num_sims, np.int64)
        self._running = np.zeros(num_sims, bool)
        self._warned: set[str] = set()
        self._attach(model)
        obs_size = self._try_hooks()
        name_entries(self.task, obs_size, action_size)
        self.observation_space = Box(-np.inf, np.inf, (obs_size,), np.float64)
        low, high = self._bounds.T.astype(np.float32)
        self.action_space = Box(low, high, dtype=np.float32)

    def reset(
        self, sims: ArrayLike, seeds: Sequence[int | None] | None = None
    ) -> NDArray[np.float64]:
        """Start an episode in each of `sims` [n] and return the observations [n, S].

        A seed starts that simulation's generator anew, as Gymnasium's reset(seed) does; None goes
        on with its stream. After an error none of `sims` runs, and the others are as they were.
        """
        sims = self._checked(sims)
        if seeds is not None:
            self._generators.seed(sims, seeds)
        if not len(sims):
            return self._no_rows()
        self._running[sims] = False
        self._reset(sims, self._generators)
        rows = hooks.observe(self.task, self.observation_space.shape[0])[sims]
        hooks.check_finite(self.task, "observe", rows, sims, self._steps[sims])
        self._running[sims] = True
        return rows

    def step(self, sims: ArrayLike, actions: ArrayLike) -> Steps:
        """Apply `actions` [n, A], in actuator units, to `sims` [n] for one control step.

        Returns observations [n, S], rewards [n], terminated [n] and truncated [n]. Actions beyond
        the actuators' ranges are clipped. On an error (MuJoCo's, a divergence, a hook's) no
        simulation has moved, and those that did not fail can be stepped again; only what
        after_step wrote into arrays of the task's own stays.
        """
        sims = self._checked(sims)
        actions = self._checked_actions(actions, sims)
        if not len(sims):
            return self._no_rows(), np.zeros(0), np.zeros(0, bool), np.zeros(0, bool)
        idle = sims[~self._running[sims]]
        if len(idle):
            raise RuntimeError(f"{self.name}: simulation {idle[0]} must be reset before a step")
        kept = [self._batch.state, self._under_way, self._action, self._previous_action]
        before = [array[sims] for array in (*kept, self._steps)]
        streams = self._generators.states(sims) if self._has("after_step") else []
        try:
            result = self._step(sims, actions)
        except BaseException:
            for array, rows in zip((*kept, self._steps), before, strict=True):
                array[sims] = rows
            if streams:
                self._generators.restore(sims, streams, known=True)
            raise
        self._running[sims] = ~(result[2] | result[3])
        return result

    def generator_states(self, sims: ArrayLike | None = None) -> list[dict[str, Any]]:
        """Return the PCG64 states of `sims`, or of all: plain dicts of strings and integers."""
        return self._generators.states(self._checked(self._all() if sims is None else sims))

    def restore_generators(
        self, states: Sequence[dict[str, Any]], sims: ArrayLike | None = None
    ) -> None:
        """Put generators back to what `generator_states` returned; episodes go on as they are."""
        self._generators.restore(self._checked(self._all() if sims is None else sims), states)

    @property
    def seeds(self) -> tuple[int, ...]:
        """The seed of every generator; -1 of one that was restored."""
        return self._generators.seeds

    def simulation(self, sim: int, model: Any = None) -> tuple[Any, Any]:
        """Return copies of one simulation's MjModel and MjData: to draw it, or to look at it.

        The model is written into `model`, a copy of the task's, where one is given.
        """
        self._checked([sim])
        return self._batch.get_model(sim, model), self._batch.get_data(sim)

    def close(self) -> None:
        """Stop the threads and let go of the simulations; the object is of no use after that."""
        self._batch = self.task._batch = None
        self._running[:] = False

    def _step(self, sims: Sims, actions: NDArray[np.float64]) -> Steps:
        length = self._under_way.shape[1]
        self._under_way[sims, self._steps[sims] % length] = actions
        arrived = (self._steps[sims] - self._delay[sims]) % length
        self._ctrl[sims] = self._under_way[sims, arrived]
        self._previous_action[sims] = self._action[sims]
        self._action[sims] = actions
        self._steps[sims] += 1
        self._advance(sims)
        if self._has("after_step"):
            hooks.write(self.task, "after_step", sims, self._generators.random(sims))
        rewards = hooks.reward(self.task, self.task.action)[sims]
        hooks.check_finite(self.task, "reward", rewards, sims, self._steps[sims])
        terminated = hooks.terminated(self.task)[sims]
        obs = hooks.observe(self.task, self.observation_space.shape[0])[sims]
        hooks.check_finite(self.task, "observe", obs, sims, self._steps[sims])
        return obs, rewards, terminated, self._steps[sims] >= self.max_episode_steps

    def _advance(self, sims: Sims) -> None:
        """Step the physics; fields of positions and velocities are then those of the new state."""
        # MuJoCo's own reset of a diverged simulation sets its counters to 1, whatever they were
        self._batch.warning[sims] = 0
        texts = self._mujoco(
            sims,
            lambda ids: self._batch.step(
                ids, self.task.frame_skip, mujoco.mjtStage.mjSTAGE_VEL.value
            ),
        )
        self._check_divergence(sims)
        self._warn(texts)

    def _check_divergence(self, sims: Sims) -> None:
        diverged = self._batch.warning[sims][:, _DIVERGED, 1] > 0
        if diverged.any():
            row, kind = np.argwhere(diverged)[0]
            sim, warning = sims[row], _DIVERGED[kind]
            text = mujoco.mju_warningText(warning, int(self._batch.warning[sim, warning, 0]))
            text = f"{self.name}: simulation {sim} diverged at step {self._steps[sim]}: {text}"
            raise of_simulation(SimulationError(text), sim)

    def _reset(self, sims: Sims, generators: SimulationGenerators) -> None:
        random = generators.random(sims)
        low, high = self.task.action_delay
        self._delay[sims] = random.integers(low, high + 1) if high > 0 else 0
        self._steps[sims] = 0
        for name, values in self.task._own_values.items():
            self._batch.expand(name)[sims] = values
        hooks.write(self.task, "randomise", sims, random)
        fields = self.task._own_values.keys()
        if fields & mujoco.MjModel._setconst_inputs or any(f.startswith("opt.") for f in fields):
            self._mujoco(sims, self._batch.set_const)
        nothing = mujoco.mjtStage.mjSTAGE_NONE.value
        self._mujoco(sims, lambda ids: self._batch.reset(ids, stage=nothing))
        hooks.write(self.task, "reset", sims, random)
        self._batch.warning[sims] = 0
        texts = self._mujoco(sims, self._batch.forward)
        self._check_divergence(sims)  # a state that is not finite, which MuJoCo would reset
        self._warn(texts)
        self._action[sims] = self._previous_action[sims] = self._ctrl[sims]
        self._under_way[sims] = self._ctrl[sims][:, None]

    def _mujoco(self, sims: Sims, run: Callable[[NDArray[np.int32]], None]) -> list[str]:
        """Run a method of the batch on sims and return MuJoCo's warnings."""
        try:
            with collected_warnings() as texts:
                run(np.sort(sims).astype(np.int32))
            return texts
        except batch.SimulationError as error:
            first, others = int(error.ids[0]), len(error.ids) - 1
            more = f" (and {others} others failed)" if others else ""
            text = (
                f"{self.name}: simulation {first} failed at step {self._steps[first]}{more}: "
                f"MuJoCo: {self._batch.error(first)}"
            )
            raise of_simulation(SimulationError(text), first) from error

    def _warn(self, texts: Sequence[str]) -> None:
        """Warn of what MuJoCo has warned of, each once."""
        for text in texts:
            advice = warning_advice(text, self.task.mj_model)
            if advice not in self._warned:
                # always of this line: Python then shows it once a process, whoever steps
                warnings.warn(f"{self.name}: {advice}", stacklevel=1)
                self._warned.add(advice)

    def _attach(self, model: Any) -> None:
        task = self.task
        task.num_sims, task.mj_model = self.num_sims, model
        task.dt = model.opt.timestep * task.frame_skip
        task.action, task.previous_action = self._action.view(), self._previous_action.view()
        task.action.flags.writeable = task.previous_action.flags.writeable = False
        task._batch, task._own_values = self._batch, {}
        with collected_warnings():  # every reset repeats them
            self._batch.reset()
        hooks.call(task, "setup")

    def _try_hooks(self) -> int:
        """Run every hook once, with generators that are thrown away; return S."""
        scratch = SimulationGenerators(self.num_sims)
        scratch.seed(self._all(), range(self.num_sims))
        self._reset(self._all(), scratch)
        hooks.call(self.task, "after_step", self._all(), scratch.random(self._all()))
        hooks.reward(self.task, self.task.action)
        hooks.terminated(self.task)
        return hooks.observe(self.task, None).shape[1]

    def _no_rows(self) -> NDArray[np.float64]:
        return np.zeros((0, *self.observation_space.shape))

    def _has(self, hook: str) -> bool:
        return getattr(type(self.task), hook) is not getattr(Task, hook)

    def _all(self) -> Sims:
        return np.arange(self.num_sims)

    def _checked(self, sims: ArrayLike) -> Sims:
        if self._batch is None:
            raise RuntimeError(f"{self.name}: the simulations are closed")
        given = np.asarray(sims)
        right = given.ndim == 1 and (given.size == 0 or np.issubdtype(given.dtype, np.integer))
        if right and given.size:
            right = given.min() >= 0 and given.max() < self.num_sims
            right = right and len(np.unique(given)) == len(given)
        if not right:
            raise ValueError(
                f"sims must be a 1-D array of distinct integers in [0, {self.num_sims}), "
                f"got {given.tolist()}"
            )
        return given.astype(np.int64)

    def _checked_actions(self, actions: ArrayLike, sims: Sims) -> NDArray[np.float64]:
        given, wanted = np.asarray(actions), (len(sims), len(self._bounds))
        if given.shape != wanted or given.dtype.kind != "f":
            raise ValueError(
                f"actions must be floats {list(wanted)}, got {given.dtype} {list(given.shape)}"
            )
        if not np.isfinite(given).all():
            row = np.argwhere(~np.isfinite(given))[0][0]
            raise ValueError(
                f"actions must be finite, got {given[row].tolist()} for simulation {sims[row]}"
            )
        # float32 has rounded the bounds, perhaps outwards
        return np.clip(given.astype(np.float64), *self._bounds.T)
