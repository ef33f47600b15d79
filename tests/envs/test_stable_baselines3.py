"""Stable-Baselines3 trains on a native task, through an adapter to its VecEnv."""

import gymnasium
import numpy as np
import pytest
from stable_baselines3 import SAC
from stable_baselines3.common.vec_env import DummyVecEnv, VecEnv

from td7.envs import make_vec

TASK = ("InvertedPendulum-v5", {"max_episode_steps": 12})
NUM_ENVS, TOTAL_STEPS = 4, 2000


class FromVectorEnv(VecEnv):
    """A Gymnasium vector environment that resets in the same step, as Stable-Baselines3 wants it.

    The last observation of an episode moves to info["terminal_observation"], and an episode cut
    short says so in info["TimeLimit.truncated"].
    """

    def __init__(self, env):
        self.env = env
        super().__init__(env.num_envs, env.single_observation_space, env.single_action_space)

    def reset(self):
        obs, _ = self.env.reset(seed=self._seeds)
        self._reset_seeds()
        return obs

    def step_async(self, actions):
        self._actions = actions

    def step_wait(self):
        obs, rewards, terminated, truncated, infos = self.env.step(self._actions)
        each = [{"TimeLimit.truncated": bool(cut)} for cut in truncated & ~terminated]
        over = terminated | truncated
        for i in np.flatnonzero(over):
            each[i]["terminal_observation"] = infos["final_obs"][i]
        return obs, rewards.astype(np.float32), over, each

    def close(self):
        self.env.close()

    def get_attr(self, attr_name, indices=None):
        values = self.env.get_attr(attr_name)
        return [values[i] for i in self._get_indices(indices)]

    def set_attr(self, attr_name, value, indices=None):
        raise NotImplementedError(attr_name)

    def env_method(self, method_name, *method_args, indices=None, **method_kwargs):
        raise NotImplementedError(method_name)

    def env_is_wrapped(self, wrapper_class, indices=None):
        return [False for _ in self._get_indices(indices)]


def trained(vec_env):
    """Return SAC after 2,000 steps of four simulations."""
    model = SAC(
        "MlpPolicy",
        vec_env,
        seed=3,
        buffer_size=TOTAL_STEPS,
        learning_starts=200,
        batch_size=32,
        policy_kwargs={"net_arch": [16, 16]},
        device="cpu",
    )
    # no report in between, which would empty the logger
    return model.learn(TOTAL_STEPS, log_interval=TOTAL_STEPS)


@pytest.fixture(scope="module")
def model():
    """Return the model trained on the native task."""
    return trained(FromVectorEnv(make_vec(TASK[0], NUM_ENVS, 2, **TASK[1])))


def test_stable_baselines3_learns_with_finite_losses(model):
    assert model.num_timesteps == TOTAL_STEPS and model._n_updates > 400
    losses = model.logger.name_to_value
    assert np.isfinite([losses["train/actor_loss"], losses["train/critic_loss"]]).all()


def test_its_transitions_chain_within_an_episode_and_end_in_its_last_observation(model):
    buffer = model.replay_buffer
    steps = TOTAL_STEPS // NUM_ENVS
    obs, next_obs = buffer.observations[:steps], buffer.next_observations[:steps]
    over, cut = buffer.dones[:steps] > 0, buffer.timeouts[:steps] > 0
    goes_on = ~over[:-1]
    follows = (next_obs[:-1] == obs[1:]).all(2)
    assert (follows == goes_on).all()
    # a pole that fell lies outside, one that was cut short within, Gymnasium's 0.2 rad
    fell, angle = over & ~cut, np.abs(next_obs[..., 1])
    assert fell.sum() > 10 and cut.sum() > 10
    assert (angle[fell] > 0.2).all() and (angle[cut] <= 0.2).all()


def test_it_learns_the_same_as_on_its_own_vec_env_of_gymnasium(model):
    makers = [lambda: gymnasium.make(TASK[0], **TASK[1])] * NUM_ENVS
    twin = trained(DummyVecEnv(makers))
    for name in ("observations", "next_observations", "actions", "rewards", "dones", "timeouts"):
        assert (getattr(model.replay_buffer, name) == getattr(twin.replay_buffer, name)).all()
    mine, other = model.actor.state_dict(), twin.actor.state_dict()
    assert all((mine[key] == other[key]).all() for key in mine)
