"""Bursts pay debts alike from both replays and in any company; stops and failures are exact."""

import numpy as np
import pytest
import torch

from td7.config import TD7Config
from td7.replay import DeviceLapReplay, LapReplay
from td7.updates.batches import AHEAD, DeviceBatches, HostBatches
from td7.updates.groups import Group
from td7.updates.learner import Learner, NonFiniteLossError

SEEDS = (7, 8, 9)
# a square root has the same bits on the host and on a device
CONFIG = TD7Config(
    embedding_size=8,
    encoder_hidden=16,
    critic_hidden=16,
    actor_hidden=16,
    batch_size=12,
    target_update_period=4,
    lap_alpha=0.5,
)


def fill(replay, members):
    for place, seed in enumerate(members):
        rng = np.random.default_rng(seed)
        for number in range(4):
            obs = rng.standard_normal((31, 5)).astype(np.float32)
            action = np.tanh(rng.standard_normal((30, 3))).astype(np.float32)
            reward = rng.exponential(5, 30).astype(np.float32)
            replay.add_episode(obs, action, reward, number % 2 == 0, member=place)
    return replay


def make(kind, seeds=SEEDS, config=CONFIG):
    learner = Learner(5, 3, seeds, config)
    made = {"host": LapReplay, "device": DeviceLapReplay}[kind](
        1000, 5, 3, seeds=seeds, alpha=config.lap_alpha
    )
    fill(made, seeds)
    batches = HostBatches(learner, made, 0) if kind == "host" else DeviceBatches(learner, made)
    return Group(learner, batches), made


def never():
    return False


def saved(replay, path):
    replay.save(path)
    return path.read_bytes()


def states(trainer):
    return {name: value.clone() for name, value in trainer.learner.tensors().items()}


def test_both_replays_train_the_same(tmp_path):
    (host, first), (device, second) = make("host"), make("device")
    for debts in ([5, 0, 9], [3, 4, 1], [0, 0, 6], [AHEAD + 3, AHEAD, 2]):
        owed = [list(debts), list(debts)]
        host.train(owed[0], never)
        device.train(owed[1], never)
        assert owed == [[0, 0, 0]] * 2
    second.raise_if_bad()
    assert saved(first, tmp_path / "host") == saved(second, tmp_path / "device")
    for name, value in states(host).items():
        assert torch.equal(device.learner.tensors()[name], value), name
    for member in range(3):
        assert host.metrics.pop(member) == device.metrics.pop(member)


@pytest.mark.parametrize("kind", ["host", "device"])
def test_a_member_that_owes_nothing_keeps_every_bit_and_its_draws(kind, tmp_path):
    trainer, replay = make(kind)
    trainer.train([6, 6, 6], never)
    before, alone = states(trainer), make(kind, seeds=SEEDS[1:2])
    priority = replay.max_priority(1), replay.draw_counter(1), replay.priority(3, 1)
    trainer.train([5, 0, 7], never)
    for name, value in states(trainer).items():
        assert torch.equal(value[1], before[name][1]), name
    assert priority == (replay.max_priority(1), replay.draw_counter(1), replay.priority(3, 1))
    trainer.train([0, 5, 1], never)
    alone[0].train([6], never)
    alone[0].train([5], never)
    for name, value in states(alone[0]).items():
        torch.testing.assert_close(trainer.learner.tensors()[name][1], value[0])
    assert alone[1].draw_counter() == replay.draw_counter(1) == 11


@pytest.mark.parametrize("kind", ["host", "device"])
@pytest.mark.parametrize("stop_at", [1, 2, 7, 8])
def test_a_stop_leaves_the_rest_owed_and_the_burst_goes_on_as_if_whole(kind, stop_at, tmp_path):
    (whole, wanted), (cut, replay) = make(kind), make(kind)
    whole.train([7, 3, 8], never)
    debts, asked = [7, 3, 8], []

    def stopped():
        asked.append(1)
        return len(asked) >= stop_at

    cut.train(debts, stopped)
    assert sum(debts) > 0
    made = [7 - debts[0], 3 - debts[1], 8 - debts[2]]
    assert cut.learner.updates == made == [replay.draw_counter(member) for member in range(3)]
    cut.train(debts, never)
    assert debts == [0, 0, 0]
    assert saved(wanted, tmp_path / "whole") == saved(replay, tmp_path / "cut")
    for name, value in states(whole).items():
        assert torch.equal(cut.learner.tensors()[name], value), name


@pytest.mark.parametrize("kind", ["host", "device"])
@pytest.mark.parametrize("debts", [[4, 3, 6], [4, 2, 6], [1, 9, 1]])
def test_who_failed_has_drawn_as_often_as_it_was_updated(kind, debts):
    trainer, replay = make(kind)
    trainer.train([3, 3, 3], never)
    with torch.no_grad():
        trainer.learner.nets.actor.l3.bias[1] = torch.nan
    with pytest.raises(NonFiniteLossError, match="seed 8: the actor loss of update 4 must be fin"):
        trainer.train(debts, never)
    assert trainer.learner.updates[1] == 3
    for member, count in enumerate(trainer.learner.updates):
        assert replay.draw_counter(member) == count


@pytest.mark.parametrize("kind", ["host", "device"])
def test_the_loss_is_named_also_where_nothing_of_a_member_is_finite(kind):
    trainer, _ = make(kind)
    trainer.train([3, 3, 3], never)
    with torch.no_grad():
        for parameter in trainer.learner.nets.parameters():
            parameter[1] = torch.nan
    with pytest.raises(NonFiniteLossError, match="seed 8: the encoder loss of update 4 must be"):
        trainer.train([30, 30, 30], never)


@pytest.mark.parametrize("kind", ["host", "device"])
def test_a_loss_that_is_not_finite_ends_the_burst_in_the_state_before_it(kind, tmp_path):
    trainer, replay = make(kind)
    trainer.train([3, 3, 3], never)
    with torch.no_grad():  # its next update fails
        trainer.learner.nets.critic.q3.bias[1] = torch.inf
    before = states(trainer)
    told = (replay.max_priority(1), replay.draw_counter(1), replay.priority(3, 1))
    debts = [4, 4, 6]
    with pytest.raises(NonFiniteLossError, match="seed 8: the critic loss of update 4 must be fin"):
        trainer.train(debts, never)
    assert trainer.learner.updates[1] == 3
    assert debts[1] == 4
    for member, count in enumerate(trainer.learner.updates):
        assert debts[member] == [4, 4, 6][member] - (count - 3)
        assert replay.draw_counter(member) == count
    for name, value in states(trainer).items():
        assert torch.equal(value[1], before[name][1]), name
    assert told == (replay.max_priority(1), replay.draw_counter(1), replay.priority(3, 1))
    if kind == "device":
        replay.raise_if_bad()


def test_updates_are_counted_for_who_made_them():
    trainer, _ = make("device")
    counted = [0, 0, 0]

    def note(members, count):
        for member in members:
            counted[member] += count

    trainer.train([5, 0, 9], never, note)
    assert counted == [5, 0, 9]


def test_an_empty_member_does_not_disturb_the_others():
    trainer, _ = make("device")
    learner = Learner(5, 3, SEEDS, CONFIG)
    bare = fill(DeviceLapReplay(1000, 5, 3, seeds=SEEDS, alpha=0.5), SEEDS[:2])
    other = Group(learner, DeviceBatches(learner, bare))
    for each in (trainer, other):
        each.train([4, 5, 0], never)
    bare.raise_if_bad()
    for name, value in states(trainer).items():
        assert torch.equal(other.learner.tensors()[name][:2], value[:2]), name
    with pytest.raises(ValueError, match="holds no transition"):
        other.train([0, 0, 1], never)
