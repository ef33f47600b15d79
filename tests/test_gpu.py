"""The same loop on a GPU; skipped, and named in the summary, where there is none."""

import pytest
import torch

import td7
from td7.agent.learner import Batch, Learner
from test_networks import CONFIG, random_batch

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device"),
]


def test_updates_on_the_gpu_equal_those_on_the_cpu():
    learners = [
        Learner(5, 3, [1, 2], CONFIG, device=d, dtype=torch.float64) for d in ("cpu", "cuda")
    ]
    for step in range(5):
        batch, noise = random_batch(2, seed=step, dtype=torch.float64)
        for learner, device in zip(learners, ("cpu", "cuda"), strict=True):
            there = Batch(*(value.to(device) for value in vars(batch).values()))
            learner.update(there, noise.to(device))
    ours, wanted = (learner.tensors() for learner in reversed(learners))
    for name, value in wanted.items():
        torch.testing.assert_close(ours[name].cpu(), value, rtol=0, atol=1e-9)


def test_a_run_on_the_gpu_trains_stops_and_goes_on(small_config, quiet):
    run = quiet()
    td7.train(
        "Toy/Wandering-v0",
        seeds=[0, 1],
        total_steps=300,
        config=small_config(),
        run=run,
        device="cuda",
    )
    assert td7.resume(run.out, total_steps=400, run=run).finished
