"""The losses against values worked by hand; the axis of members never mixes."""

import pytest
import torch
from torch import tensor

from td7.agent import losses


def test_encoder_loss_is_the_mean_square_over_batch_and_embedding():
    zsa = tensor([[[1.0, 2.0], [3.0, 4.0]], [[0.0, 0.0], [0.0, 0.0]]])
    next_zs = tensor([[[1.0, 0.0], [0.0, 4.0]], [[1.0, 1.0], [1.0, 1.0]]])
    # (0 + 4 + 9 + 0) / 4 and 4 / 4
    torch.testing.assert_close(losses.encoder_loss(zsa, next_zs), tensor([3.25, 1.0]))


def test_target_action_clips_the_noise_first_and_the_action_then():
    action = tensor([[[0.0, 0.9, -0.9]]])
    noise = tensor([[[1.0, 10.0, -10.0]]])
    wanted = tensor([[[0.2, 1.0, -1.0]]])  # noise 0.2, 0.5 and -0.5 after its clip
    torch.testing.assert_close(losses.target_action(action, noise, 0.2, 0.5), wanted)
    wide = losses.target_action(tensor([[[0.0]]]), tensor([[[10.0]]]), 0.2, 0.5)
    torch.testing.assert_close(wide, tensor([[[0.5]]]))


def test_td_target_takes_the_lesser_critic_clips_it_and_stops_at_a_termination():
    next_q = tensor([[[5.0, -9.0, 2.0, 7.0], [4.0, 3.0, 2.5, 8.0]]])
    reward = tensor([[1.0, 1.0, 1.0, 1.0]])
    not_terminated = tensor([[1.0, 1.0, 1.0, 0.0]])
    target = losses.td_target(reward, not_terminated, next_q, 0.5, tensor([-2.0]), tensor([3.0]))
    # 4 -> 3, -9 -> -2, 2 stays; the last row has ended
    torch.testing.assert_close(target, tensor([[2.5, 0.0, 2.0, 1.0]]))


def test_td_target_clips_each_member_to_its_own_range():
    next_q = torch.full((2, 2, 1), 10.0)
    zeros, ones = torch.zeros(2, 1), torch.ones(2, 1)
    low, high = tensor([0.0, 0.0]), tensor([1.0, 100.0])
    target = losses.td_target(zeros, ones, next_q, 1.0, low, high)
    torch.testing.assert_close(target, tensor([[1.0], [10.0]]))


def test_critic_loss_is_a_huber_without_offset_summed_over_both_critics():
    q = tensor([[[0.5, 3.0], [0.0, -1.0]]], requires_grad=True)
    target = tensor([[0.0, 0.0]])
    loss, td_error = losses.critic_loss(q, target, min_priority=1.0)
    # row 0: 0.125 + 0; row 1: 3 + 1 (d = 1 is on the linear branch); mean over two rows
    torch.testing.assert_close(loss, tensor([2.0625]))
    torch.testing.assert_close(td_error, tensor([[0.5, 3.0]]))
    assert not td_error.requires_grad
    loss.sum().backward()
    # the gradient of h is clip(d, -m, m), over a batch of two
    torch.testing.assert_close(q.grad, tensor([[[0.25, 0.5], [0.0, -0.5]]]))


@pytest.mark.parametrize("min_priority", [0.5, 1.0, 2.0])
def test_critic_gradient_is_the_td_error_clipped_to_min_priority(min_priority):
    q = torch.linspace(-4, 4, 33).view(1, 1, 33).expand(1, 2, 33).clone().requires_grad_()
    loss, _ = losses.critic_loss(q, torch.zeros(1, 33), min_priority)
    loss.sum().backward()
    wanted = q.detach().clamp(-min_priority, min_priority) / 33
    torch.testing.assert_close(q.grad, wanted)


def test_actor_loss_is_minus_the_mean_over_batch_and_both_critics():
    q = tensor([[[1.0, 2.0], [3.0, 4.0]], [[0.0, 0.0], [0.0, 8.0]]])
    torch.testing.assert_close(losses.actor_loss(q), tensor([-2.5, -2.0]))


def test_behaviour_cloning_is_scaled_by_mean_q_without_a_gradient_through_it():
    q = tensor([[[2.0, -2.0], [4.0, 0.0]]], requires_grad=True)
    policy_action = tensor([[[0.5], [0.0]]], requires_grad=True)
    loss = losses.behaviour_cloning_loss(q, policy_action, tensor([[[0.0], [1.0]]]))
    # mean |Q| = 2, mean square = (0.25 + 1) / 2
    torch.testing.assert_close(loss, tensor([1.25]))
    loss.sum().backward()
    assert q.grad is None
    torch.testing.assert_close(policy_action.grad, tensor([[[1.0], [-2.0]]]))
