"""The same loop on a GPU; skipped, and named in the summary, where there is none."""

import dataclasses

import numpy as np
import pytest
import torch
from test_burst import CONFIG as BURST_CONFIG
from test_burst import SEEDS, fill, never
from test_networks import CONFIG, random_batch

import td7
from td7.agent.algorithm import Batch
from td7.replay import DeviceBatch, DeviceLapReplay, LapReplay
from td7.run import state as run_state
from td7.run.metrics import read_metrics
from td7.updates.batches import DeviceBatches, HostBatches
from td7.updates.groups import Group
from td7.updates.learner import Learner

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


@pytest.mark.parametrize("place", ["host", "device"])
def test_two_turns_on_the_gpu_give_what_one_gives(place, small_config, quiet, monkeypatch):
    results = []
    for turns in ([range(2), range(2, 4)], [range(4)]):
        run = quiet(f"{len(turns)}-turns")
        monkeypatch.setattr(run_state, "turns", lambda settings, size, turns=turns: turns)
        options = {"config": small_config(replay=place), "run": run, "device": "cuda"}
        td7.train("Toy/Wandering-v0", seeds=[0, 1, 2, 3], total_steps=300, **options)
        assert td7.resume(run.out, total_steps=400, run=run).finished
        rows = [row for row in read_metrics(run.out) if row["event"] == "evaluation"]
        results.append(
            sorted((r["seed"], r["env_steps"], r["updates"], r["returns"]) for r in rows)
        )
    assert results[0] == results[1]


def trainer_on_gpu(execution, place):
    config = dataclasses.replace(BURST_CONFIG, execution=execution)
    learner = Learner(5, 3, SEEDS, config, device="cuda")
    options = {"seeds": SEEDS, "alpha": config.lap_alpha}
    if place == "host":
        replay = fill(LapReplay(1000, 5, 3, **options), SEEDS)
        return Group(learner, HostBatches(learner, replay, 0))
    replay = fill(DeviceLapReplay(1000, 5, 3, device="cuda", **options), SEEDS)
    return Group(learner, DeviceBatches(learner, replay))


@pytest.mark.parametrize(
    ("execution", "place"),
    [("eager", "host"), ("compiled", "host"), ("compiled", "device"), ("graph", "device")],
)
def test_every_way_to_run_a_burst_gives_what_eager_updates_give(execution, place):
    wanted, found = trainer_on_gpu("eager", "device"), trainer_on_gpu(execution, place)
    for debts in ([5, 0, 9], [3, 4, 1], [40, 41, 2]):
        for trainer in (wanted, found):
            owed = list(debts)
            trainer.train(owed, never)
            assert owed == [0, 0, 0]
    for name, value in wanted.learner.tensors().items():
        ours = found.learner.tensors()[name]
        torch.testing.assert_close(ours, value, rtol=1e-2, atol=1e-3)


def test_a_burst_of_graphs_is_handed_out_without_waiting():
    trainer = trainer_on_gpu("graph", "device")
    trainer.train([20, 20, 20], never)  # captures
    debts = [300, 0, 301]
    torch.cuda.set_sync_debug_mode("error")
    try:
        trainer.enqueue(debts, never)
    finally:
        torch.cuda.set_sync_debug_mode("default")
    assert trainer.settle(debts) is None
    assert debts == [0, 0, 0]


@pytest.fixture
def replays():
    """The same transitions on the CPU and on the GPU; a square root has the same bits on both."""
    made = [DeviceLapReplay(5000, 3, 2, seeds=(1, 2), alpha=0.5, device=d) for d in ("cpu", "cuda")]
    rng = np.random.default_rng(0)
    for number in range(14):
        obs = rng.standard_normal((501, 3)).astype(np.float32)
        action = rng.standard_normal((500, 2)).astype(np.float32)
        reward = rng.exponential(5, 500).astype(np.float32)
        for replay in made:
            replay.add_episode(obs, action, reward, number % 3 == 0, member=number % 2)
    return made


def sample_and_update(replay, uniforms):
    """One cycle in which the reward stands for the TD error."""
    batch = replay.sample(64, uniforms=uniforms, probability=True)
    replay.update_priorities(batch.index, batch.reward)
    return batch


def test_replay_cycles_in_a_cuda_graph_equal_those_on_the_cpu(replays, tmp_path):
    here, there = (replay.uniforms(64, calls=8) for replay in replays)
    assert torch.equal(here, there)
    cpu, gpu = replays
    ahead, taken = there.cuda(), there[0].cuda()
    stream = torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):  # a graph wants its first calls outside of it
        for uniforms in ahead[:3]:
            sample_and_update(gpu, uniforms)
    torch.cuda.current_stream().wait_stream(stream)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        batch = sample_and_update(gpu, taken)
    for number, uniforms in enumerate(here):
        wanted = sample_and_update(cpu, uniforms)
        if number < 3:
            continue
        taken.copy_(ahead[number])
        graph.replay()
        for name in DeviceBatch.__slots__:
            assert torch.equal(getattr(batch, name).cpu(), getattr(wanted, name)), name
    for replay in replays:
        replay.raise_if_bad()
        replay.save(tmp_path / replay.device.type)
    assert (tmp_path / "cpu").read_bytes() == (tmp_path / "cuda").read_bytes()
    gpu.load(tmp_path / "cpu")
    gpu.save(tmp_path / "cuda")
    assert (tmp_path / "cpu").read_bytes() == (tmp_path / "cuda").read_bytes()


def test_replay_cycles_do_not_wait_for_the_gpu(replays):
    gpu = replays[1]
    ahead = gpu.uniforms(64, members=[1], calls=2).cuda()
    gpu.sample(64, members=[1], uniforms=ahead[0])
    torch.cuda.set_sync_debug_mode("error")
    try:
        batch = gpu.sample(64, members=[1], uniforms=ahead[1], probability=True)
        gpu.update_priorities(batch.index, -batch.reward, members=[1])
    finally:
        torch.cuda.set_sync_debug_mode("default")
    with pytest.raises(ValueError, match="a td_error was negative or not finite"):
        gpu.raise_if_bad()
