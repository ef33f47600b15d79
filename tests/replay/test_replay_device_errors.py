"""What the replay on a device refuses, in the words of LapReplay, and what it can only mark."""

import numpy as np
import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from td7.replay import DeviceLapReplay, LapReplay

S, A = 3, 2
OBS, ACTION = np.zeros(S, np.float32), np.zeros(A, np.float32)
LONG = (np.zeros((10, S), np.float32), np.zeros((9, A), np.float32), np.zeros(9, np.float32), True)
NAN = np.full(S, np.nan, np.float32)


def filled(kind, **options):
    """Two members with 5 transitions each, in slots 0 to 4; slot 5 holds an observation only."""
    replay = kind(8, S, A, seeds=(1, 2), streams=2, **options)
    for member in range(2):
        for _ in range(5):
            replay.add(OBS, ACTION, 1.0, OBS, terminated=False, member=member)
    return replay


CALLS = {
    "capacity": lambda r: type(r)(0, S, A),
    "slots": lambda r: type(r)(2**31, S, A),
    "alpha": lambda r: type(r)(8, S, A, alpha=1.5),
    "min_priority": lambda r: type(r)(8, S, A, min_priority=0.0),
    "seeds": lambda r: type(r)(8, S, A, seeds=()),
    "seed": lambda r: type(r)(8, S, A, seeds=(-1,)),
    "obs type": lambda r: r.add(OBS.astype("f8"), ACTION, 0.0, OBS, False),
    "obs list": lambda r: r.add([0.0] * S, ACTION, 0.0, OBS, False),
    "action shape": lambda r: r.add(OBS, ACTION[:1], 0.0, OBS, False),
    "next_obs nan": lambda r: r.add(OBS, ACTION, 0.0, NAN, False),
    "reward": lambda r: r.add(OBS, ACTION, 1e39, OBS, False),
    "add member": lambda r: r.add(OBS, ACTION, 0.0, OBS, False, member=2),
    "add stream": lambda r: r.add(OBS, ACTION, 0.0, OBS, False, stream=-1),
    "episode long": lambda r: r.add_episode(*LONG),
    "episode empty": lambda r: r.add_episode(LONG[0][:1], LONG[1][:0], LONG[2][:0], True),
    "episode obs": lambda r: r.add_episode(LONG[0][:4], LONG[1][:4], LONG[2][:4], True),
    "episode reward": lambda r: r.add_episode(LONG[0], LONG[1], LONG[2].astype("f8"), True),
    "episode reward list": lambda r: r.add_episode(LONG[0], LONG[1], [0.0] * 9, True),
    "episode nan": lambda r: r.add_episode(np.stack([OBS, NAN]), LONG[1][:1], LONG[2][:1], True),
    "episode stream": lambda r: r.add_episode(*LONG, stream=2),
    "end_episode": lambda r: r.end_episode(member=-1),
    "batch_size": lambda r: r.sample(0),
    "members twice": lambda r: r.sample(4, members=[0, 0]),
    "members type": lambda r: r.sample(4, members=np.array([0, 1], np.int32)),
    "members beyond": lambda r: r.reset_max_priority([0, 2]),
    "priority": lambda r: r.priority(5),
    "priority beyond": lambda r: r.priority(2**62),
    "path_probability": lambda r: r.path_probability(-1, member=1),
    "max_priority": lambda r: r.max_priority(-1),
    "draw_counter": lambda r: r.draw_counter(2),
    "set_draw_counter": lambda r: r.set_draw_counter(2**64),
    "path": lambda r: r.save("a\0b"),
    "empty": lambda r: type(r)(8, S, A).sample(4),
}


def caught(call, replay):
    """The type and text of what the call raises."""
    with pytest.raises((ValueError, IndexError)) as error:
        call(replay)
    return error.type, str(error.value)


@pytest.mark.parametrize("name", CALLS)
def test_errors_are_those_of_the_replay_in_host_memory(name):
    host, device = filled(LapReplay), filled(DeviceLapReplay)
    assert caught(CALLS[name], device) == caught(CALLS[name], host)
    np.testing.assert_array_equal(device.sample(64).index.numpy(), host.sample(64).index)


INDEX, ERROR = torch.zeros(2, 4, dtype=torch.int64), torch.zeros(2, 4)


@pytest.mark.parametrize(
    ("index", "error", "message"),
    [
        (INDEX.int(), ERROR, r"index must be int64 \[2, B\] on cpu, got int32 \[2, 4\] on cpu"),
        (INDEX[0], ERROR, r"index must be int64 \[2, B\] on cpu, got int64 \[4\] on cpu"),
        (INDEX.numpy(), ERROR, r"index must be int64 \[2, B\] on cpu, got ndarray"),
        (INDEX, ERROR.double(), r"td_error must be float32 \[2, 4\] on cpu, got float64"),
        (INDEX, ERROR[:, :3], r"td_error must be float32 \[2, 4\] on cpu, got float32 \[2, 3\]"),
        (INDEX, ERROR.to("meta"), r"td_error must be .* on cpu, got float32 \[2, 4\] on meta"),
    ],
)
def test_bad_tensors_of_an_update(index, error, message):
    with pytest.raises(ValueError, match=message):
        filled(DeviceLapReplay).update_priorities(index, error)


def test_bad_uniforms_of_a_sample():
    replay = filled(DeviceLapReplay)
    with pytest.raises(ValueError, match=r"uniforms must be float64 \[2, 1, 4\] on cpu, got float"):
        replay.sample(4, uniforms=replay.uniforms(5)[0])
    with pytest.raises(ValueError, match="calls must be at least 1, got 0"):
        replay.uniforms(4, calls=0)
    assert replay.draw_counter(0) == 1


@pytest.mark.parametrize(
    ("index", "error", "message"),
    [
        (2, np.nan, "a td_error was negative or not finite"),
        (2, np.inf, "a td_error was negative or not finite"),
        (2, -np.inf, "a td_error was negative or not finite"),
        (2, -1e-30, "a td_error was negative or not finite"),
        (5, 9.0, "an index held no transition"),
        (-1, 9.0, "an index held no transition"),
        (2**62, 9.0, "an index held no transition"),
    ],
)
@pytest.mark.parametrize("alpha", [0.0, 1.0])
def test_what_cannot_be_written_is_left_out_and_told_later(index, error, message, alpha):
    host, device = (filled(kind, alpha=alpha) for kind in (LapReplay, DeviceLapReplay))
    indices = torch.tensor([[0, 1, 4], [0, index, 3]])
    errors = torch.tensor([[2.0, 3.0, 4.0], [5.0, error, 6.0]])
    device.update_priorities(indices, errors)
    for member, columns in enumerate(([0, 1, 2], [0, 2])):
        good = indices[None, member, columns].numpy(), errors[None, member, columns].numpy()
        host.update_priorities(*good, members=[member])
        assert device.max_priority(member) == host.max_priority(member)
        for slot in range(5):
            assert device.priority(slot, member) == host.priority(slot, member)
    np.testing.assert_array_equal(device.sample(64).index.numpy(), host.sample(64).index)
    told = f"update_priorities left out what it could not write: seed 2 (member 1): {message}"
    assert caught(DeviceLapReplay.raise_if_bad, device) == (ValueError, told)
    device.raise_if_bad()  # told once


def test_an_error_whose_priority_overflows_the_tree_is_left_out():
    replay = filled(DeviceLapReplay, alpha=1.0)
    replay.update_priorities(torch.tensor([[2]]), torch.tensor([[1e30]]), members=[0])
    message = r"write: seed 1 \(member 0\): a td_error was too large: its priority exceeds 2\^96$"
    with pytest.raises(ValueError, match=message):
        replay.raise_if_bad()
    assert replay.priority(2) == replay.max_priority() == 1.0


def test_faults_stay_until_they_are_told():
    replay = filled(DeviceLapReplay)
    one = torch.ones(1, 1)
    replay.update_priorities(one.long() * 7, one, members=[1])
    replay.update_priorities(one.long(), -one, members=[0])
    replay.update_priorities(one.long(), one, members=[1])
    message = r"seed 1 \(member 0\): a td_error .*; seed 2 \(member 1\): an index held"
    with pytest.raises(ValueError, match=message):
        replay.raise_if_bad()


def test_of_equal_indices_the_last_good_one_wins_and_all_good_ones_raise_the_maximum():
    replay = filled(DeviceLapReplay, alpha=0.5)
    index = torch.tensor([[1, 1, 2, 1, 1], [0, -7, 0, 9, 0]])
    error = torch.tensor([[9.0, 100.0, 4.0, 16.0, np.nan], [25.0, 400.0, -1.0, 1.0, np.inf]])
    replay.update_priorities(index, error)
    assert [replay.priority(slot) for slot in range(5)] == [1, 4, 2, 1, 1]
    assert [replay.priority(slot, 1) for slot in range(5)] == [5, 1, 1, 1, 1]
    assert [replay.max_priority(member) for member in range(2)] == [10, 5]


def test_an_update_of_nothing_changes_nothing():
    replay = filled(DeviceLapReplay)
    replay.update_priorities(INDEX[:, :0], ERROR[:, :0])
    replay.raise_if_bad()
    assert replay.priority(0) == 1.0


class Recorder(TorchDispatchMode):
    """Records the names of operations, and of those that index by a mask."""

    def __init__(self):
        super().__init__()
        self.names, self.masks = [], []

    def __torch_dispatch__(self, function, types, arguments=(), keywords=None):
        self.names.append(function.__name__)
        if function.__name__.startswith("index"):
            wanted = [i for i in arguments[1] if i is not None]
            self.masks += [i for i in wanted if i.dtype not in (torch.int64, torch.int32)]
        return function(*arguments, **(keywords or {}))


def test_samples_and_updates_ask_the_device_for_nothing():
    replay = filled(DeviceLapReplay)
    uniforms = replay.uniforms(4)[0]
    replay.sample(4, members=[1, 0])
    with Recorder() as seen:
        batch = replay.sample(4, members=[1, 0], uniforms=uniforms, probability=True)
        replay.update_priorities(batch.index, batch.reward, members=[1, 0])
    waits = ("_local_scalar_dense", "nonzero", "masked_select", "unique", "cumsum", "lift_fresh")
    assert [name for name in seen.names if name.startswith(waits)] == []
    assert seen.masks == []
    assert len(seen.names) > 20
