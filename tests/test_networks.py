"""Stacked members behave as single networks do, and never touch each other."""

import numpy as np
import pytest
import torch
from torch import nn

from td7.agent.learner import Batch, Learner, NonFiniteLossError, effective_rank
from td7.agent.networks import MemberLinear, avg_l1_norm
from td7.config import TD7Config

SIZES = {"embedding_size": 8, "encoder_hidden": 16, "critic_hidden": 16, "actor_hidden": 16}
CONFIG = TD7Config(**SIZES, target_update_period=4)


def generators(*seeds):
    return [torch.Generator().manual_seed(seed) for seed in seeds]


def random_batch(members, batch_size=12, seed=0, dtype=torch.float32):
    rng = np.random.default_rng(seed)

    def draw(*shape):
        return torch.tensor(rng.standard_normal((members, batch_size, *shape)), dtype=dtype)

    ones = torch.ones(members, batch_size, dtype=dtype)
    return Batch(draw(5), draw(3).tanh(), draw(), draw(5), ones), draw(3)


def test_member_linear_equals_one_torch_linear_for_each_member():
    layer = MemberLinear(5, 4, generators(1, 2, 3))
    x = torch.randn(3, 7, 5)
    for member in range(3):
        single = nn.Linear(5, 4)
        single.weight.data = layer.weight[member].mT
        single.bias.data = layer.bias[member]
        torch.testing.assert_close(layer(x)[member], single(x[member]))


def test_member_linear_is_initialised_uniformly_within_the_bound_of_torch_linear():
    layer = MemberLinear(400, 300, generators(0), copies=(2,))
    for value in (layer.weight, layer.bias):
        assert value.abs().max() <= 1 / 20
        assert value.abs().max() > 0.98 / 20
    # variance of U(-b, b) is b^2 / 3
    assert layer.weight.var().item() == pytest.approx((1 / 20) ** 2 / 3, rel=0.02)


def test_initial_weights_depend_on_the_members_own_seed_alone():
    together = Learner(5, 3, [4, 9, 2], CONFIG)
    alone = Learner(5, 3, [9], CONFIG)
    for name, value in alone.tensors().items():
        assert torch.equal(together.tensors()[name][1], value[0]), name


def test_all_copies_start_equal_to_their_source():
    learner = Learner(5, 3, [0, 1], CONFIG)
    for source, copies in {
        "encoder": ("fixed_encoder", "fixed_encoder_target", "checkpoint_encoder"),
        "actor": ("actor_target", "checkpoint_actor"),
        "critic": ("critic_target",),
    }.items():
        for copy in copies:
            ours = getattr(learner, copy).state_dict()
            for name, value in getattr(learner, source).state_dict().items():
                assert torch.equal(ours[name], value)
                assert ours[name].data_ptr() != value.data_ptr()


@pytest.mark.parametrize("member", [0, 1, 2])
def test_a_member_updates_as_it_would_alone(member):
    learner = Learner(5, 3, [7, 8, 9], CONFIG, dtype=torch.float64)
    alone = learner.take([member])
    for step in range(6):
        batch, noise = random_batch(3, seed=step, dtype=torch.float64)
        row = slice(member, member + 1)
        mine = Batch(*(value[row] for value in vars(batch).values()))
        td_error, _ = learner.update(batch, noise)
        wanted, _ = alone.update(mine, noise[row])
        torch.testing.assert_close(td_error[row], wanted, rtol=0, atol=1e-12)
    for name, value in alone.tensors().items():
        torch.testing.assert_close(learner.tensors()[name][row], value, rtol=0, atol=1e-10)


def test_members_left_out_of_an_update_keep_every_bit():
    learner = Learner(5, 3, [7, 8, 9], CONFIG)
    learner.update(*random_batch(3))
    before = {name: value.clone() for name, value in learner.tensors().items()}
    part = learner.take([0, 2])
    for step in range(5):
        part.update(*random_batch(2, seed=step))
    for name, value in learner.tensors().items():
        assert torch.equal(value, before[name]), f"{name} changed before put"
    learner.put([0, 2], part)
    for name, value in learner.tensors().items():
        assert torch.equal(value[1], before[name][1]), name
        assert torch.equal(value[[0, 2]], part.tensors()[name]), name
    assert learner.updates == [6, 1, 6]


def test_members_with_different_update_counts_keep_their_own_adam_step():
    learner = Learner(5, 3, [7, 7], CONFIG)
    part = learner.take([1])
    part.update(*random_batch(1))
    part.update(*random_batch(1))
    learner.put([1], part)
    assert learner.encoder_optimizer.step_count.tolist() == [0, 2]
    assert learner.actor_optimizer.step_count.tolist() == [0, 1]
    together, alone = learner.take([0, 1]), learner.take([1])
    batch, noise = random_batch(1, seed=5)
    both = Batch(*(value.expand(2, *value.shape[1:]) for value in vars(batch).values()))
    together.update(both, noise.expand(2, -1, -1))
    alone.update(batch, noise)
    for name, value in alone.tensors().items():
        torch.testing.assert_close(together.tensors()[name][1], value[0])


@pytest.mark.parametrize("name", ["encoder", "critic", "actor"])
def test_a_loss_that_is_not_finite_is_named_and_leaves_the_weights(name):
    learner = Learner(5, 3, [7, 8], CONFIG)
    learner.update(*random_batch(2))
    before = {key: value.clone() for key, value in learner.tensors().items()}
    batch, noise = random_batch(2, seed=1)
    if name == "encoder":
        batch.next_obs[1, 0] = torch.nan
    elif name == "critic":
        batch.reward[1, 0] = torch.nan
    else:
        with torch.no_grad():
            learner.actor.l3.bias[1, 0] = torch.nan
    with pytest.raises(
        NonFiniteLossError, match=f"seed 8: the {name} loss of update 2 must be finite, got nan"
    ):
        learner.update(batch, noise)
    assert learner.updates == [1, 1]
    if name == "actor":  # its loss is known only after the critic's step
        assert all(torch.isfinite(value).all() for value in learner.critic.parameters())
    else:
        for tensor_name, value in learner.tensors().items():
            assert torch.equal(value, before[tensor_name]), tensor_name


def test_load_refuses_a_state_of_other_names_or_shapes():
    learner = Learner(5, 3, [0], CONFIG)
    tensors = {name: value.clone() for name, value in learner.tensors().items()}
    with pytest.raises(ValueError, match="differ in 'min_seen'"):
        learner.load({k: v for k, v in tensors.items() if k != "min_seen"}, [0])
    wrong = tensors | {"min_seen": torch.zeros(2)}
    with pytest.raises(ValueError, match=r"min_seen must be torch.float32 \[1\], got .* \[2\]"):
        learner.load(wrong, [0])


def test_avg_l1_norm_has_unit_mean_magnitude_and_survives_zeros():
    x = torch.tensor([[1.0, -3.0], [0.0, 0.0]])
    torch.testing.assert_close(avg_l1_norm(x), torch.tensor([[0.5, -1.5], [0.0, 0.0]]))


def test_effective_rank_counts_the_directions_in_use():
    flat = torch.outer(torch.randn(50), torch.randn(8))
    orthogonal = torch.linalg.qr(torch.randn(50, 8))[0]
    rank = effective_rank(torch.stack([flat, orthogonal]))
    torch.testing.assert_close(rank, torch.tensor([1.0, 8.0]), rtol=1e-3, atol=1e-3)
