"""How updates run: compiled code is shared and gives eager results; precisions still learn."""

import functools
from unittest import mock

import pytest
import torch
from test_networks import SIZES, random_batch
from torch._dynamo.utils import counters

import td7
from td7.agent.algorithm import Batch
from td7.config import TD7Config
from td7.replay.place import choose_replay, device_bytes
from td7.updates.execution import WORTH_COMPILING, choose_execution
from td7.updates.learner import Learner

FILES = ("learner.safetensors", "replay-0.bin")
CPU, GPU = torch.device("cpu"), torch.device("cuda")


def trained(execution, precision="float32", updates=40, members=1):
    config = TD7Config(**SIZES, target_update_period=10, execution=execution, precision=precision)
    learner = Learner(5, 3, range(members), config)
    losses = []
    for step in range(updates):
        metrics = learner.update(*random_batch(members, seed=step % 4)).metrics
        losses.append(metrics["train/encoder_loss"].mean().item())
    return learner, losses


def test_compiled_updates_equal_eager_ones_and_their_code_serves_every_member():
    torch.compiler.reset()
    counters.clear()
    learners = [trained("compiled")[0] for _ in range(3)]
    # critic losses and the actor's, compiled once each; their gradients come with them
    assert counters["stats"]["unique_graphs"] == 2
    wanted = trained("eager")[0].tensors()
    for learner in learners:
        for name, value in learner.tensors().items():
            torch.testing.assert_close(value, wanted[name], rtol=1e-3, atol=1e-4)
    for name, value in learners[0].tensors().items():
        for other in learners[1:]:
            assert torch.equal(other.tensors()[name], value), name


def test_a_process_compiles_more_sizes_than_torch_would_by_itself():
    torch.compiler.reset()
    for obs_size in range(2, 12):
        with mock.patch.object(torch, "compile", functools.partial(torch.compile, backend="eager")):
            learner = Learner(obs_size, 2, [0], TD7Config(**SIZES, execution="compiled"))
        batch = Batch(
            torch.randn(1, 4, obs_size),
            torch.rand(1, 4, 2),
            torch.randn(1, 4),
            torch.randn(1, 4, obs_size),
            torch.ones(1, 4),
        )
        learner.update(batch, torch.randn(1, 4, 2))
        assert learner.updates == [1]
    torch.compiler.reset()


@pytest.mark.parametrize("execution", ["eager", "compiled"])
def test_bf16_learns_as_float32_does(execution):
    learner, losses = trained(execution, "bf16", updates=200)
    _, wanted = trained("eager", updates=200)
    assert losses != wanted
    assert losses[-1] < 0.5 * losses[0]
    assert losses[-1] == pytest.approx(wanted[-1], rel=0.25)
    for value in learner.tensors().values():  # weights and moments stay what they were
        assert value.dtype == torch.float32


@pytest.mark.parametrize(
    ("wanted", "device", "replay", "updates", "chosen"),
    [
        ("auto", CPU, "host", WORTH_COMPILING, "compiled"),
        ("auto", CPU, "host", WORTH_COMPILING - 1, "eager"),
        ("auto", GPU, "device", 1, "graph"),
        ("auto", GPU, "host", 1, "compiled"),
        ("eager", GPU, "device", 10**6, "eager"),
        ("compiled", CPU, "host", 1, "compiled"),
        ("graph", GPU, "device", 1, "graph"),
    ],
)
def test_what_auto_means(wanted, device, replay, updates, chosen, monkeypatch):
    monkeypatch.setattr("shutil.which", lambda name: "/usr/bin/c++" if name == "c++" else None)
    assert choose_execution(wanted, device, replay, updates) == chosen


def test_without_a_compiler_nothing_is_compiled(monkeypatch):
    monkeypatch.setattr("shutil.which", lambda name: None)
    assert choose_execution("auto", CPU, "host", 10**6) == "eager"


@pytest.mark.parametrize(("device", "replay"), [(CPU, "device"), (GPU, "host")])
def test_a_graph_is_refused_where_it_cannot_be(device, replay):
    with pytest.raises(ValueError, match="needs a CUDA device and the replay on it, got"):
        choose_execution("graph", device, replay, 1)


def test_the_replay_goes_to_the_device_if_all_members_fit():
    member = device_bytes(1_000_000, 17, 6)
    assert member == pytest.approx(1e6 * 4 * 25, rel=0.2)
    assert choose_replay("auto", member, 10, free=int(10 * member / 0.6) + 1) == "device"
    assert choose_replay("auto", member, 10, free=int(9 * member / 0.6)) == "host"
    assert choose_replay("auto", member, 10, free=None) == "host"
    assert choose_replay("device", member, 10, free=None) == "device"


def test_the_estimate_is_what_a_device_replay_takes():
    for sizes in ((17, 6), (348, 17)):
        replay = td7.DeviceLapReplay(200_000, *sizes)
        assert replay.nbytes == pytest.approx(device_bytes(200_000, *sizes), rel=0.05)


def test_a_run_on_a_device_replay_equals_one_on_the_hosts(small_config, quiet):
    saved = []
    for place in ("host", "device"):
        run, config = quiet(place), small_config(replay=place, lap_alpha=0.5, num_envs=2)
        td7.train("Toy/Wandering-v0", seeds=[1], total_steps=300, config=config, run=run)
        assert td7.resume(run.out, total_steps=400, run=run).finished
        saved.append([(run.out / "state" / n).read_bytes() for n in FILES])
    assert saved[0] == saved[1]


@pytest.mark.parametrize("use_checkpoints", [True, False])
def test_native_rollouts_fill_a_device_replay_alike(use_checkpoints, small_config, quiet):
    saved = []
    for place in ("host", "device"):
        run = quiet(place)
        config = small_config(
            replay=place, lap_alpha=0.5, use_checkpoints=use_checkpoints, warmup_steps=20
        )
        td7.train("Hopper-v5", seeds=[1], total_steps=150, config=config, run=run)
        saved.append([(run.out / "state" / n).read_bytes() for n in FILES])
    assert saved[0] == saved[1]


def test_a_device_without_memory_is_named_with_what_helps(small_config, quiet, monkeypatch):
    def full(*arguments, **options):
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 9 GiB.\nMore.")

    monkeypatch.setattr("td7.run.placement.DeviceLapReplay", full)
    wanted = r"cpu has not enough memory \(CUDA out of memory. Tried to allocate 9 GiB.\): fewer "
    with pytest.raises(RuntimeError, match=wanted + "seeds, a smaller buffer_capacity or replay"):
        td7.train("Toy/Point-v0", config=small_config(replay="device"), run=quiet(), device="cpu")


def test_what_cannot_be_is_refused_before_anything_is_made(small_config, quiet, tmp_path):
    run = quiet("none", scratch_dir=tmp_path)
    with pytest.raises(ValueError, match="scratch_dir must be left out where the replay is on"):
        td7.train("Toy/Point-v0", config=small_config(replay="device"), run=run)
    with pytest.raises(ValueError, match="precision 'tf32' needs a CUDA device, got 'cpu'"):
        td7.train("Toy/Point-v0", config=small_config(precision="tf32"), run=quiet(), device="cpu")
    with pytest.raises(ValueError, match=r"TD7Config.batch_size must be at most buffer_capacity 9"):
        small_config(buffer_capacity=9)
    with pytest.raises(ValueError, match=r"execution must be of auto, eager, compiled, graph, got"):
        small_config(execution="fast")
    assert not (tmp_path / "run").exists()
