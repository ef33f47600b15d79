"""MuJoCo's profiling timers are off while the engine runs, and on again afterwards."""

from __future__ import annotations

import mujoco
import numpy as np

from td7.policy.module import SalePolicy
from td7.policy.native import NativePolicy
from td7.rollout import open_rollouts

STEP = int(mujoco.mjtTimer.mjTIMER_STEP)


def profiled_seconds() -> float:
    """Return what mjData's timer says of a step taken now."""
    model = mujoco.MjModel.from_xml_string("<mujoco/>")
    data = mujoco.MjData(model)
    mujoco.mj_step(model, data)
    return float(data.timer[STEP].duration)


def test_timers_are_off_during_a_run_and_on_again_after_it() -> None:
    rollouts = open_rollouts("HalfCheetah-v5", [0], 2, num_threads=1, exploration_noise=0.0)
    policy = NativePolicy(SalePolicy(17, 6))
    during: list[float] = []

    def stopped() -> bool:
        during.append(profiled_seconds())
        return len(during) == 2

    assert profiled_seconds() > 0
    while len(during) < 2:
        rollouts.run([policy], np.full((1, 2), 1000), ["random"], stopped)
        for sim in range(2):
            rollouts.clear(0, sim)
    assert during == [0.0, 0.0]
    assert profiled_seconds() > 0
