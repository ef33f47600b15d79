"""The tasks in C++ give Gymnasium's numbers to the bit: resets, steps, infos, any argument.

The twin of simulation i is gymnasium.make's environment with seed + i, stepped on its own.
"""

import gymnasium
import mujoco
import numpy as np
import pytest

from td7.envs import make_vec

SIMS = 3
SEED = 11
TASKS = (
    "Ant-v5",
    "HalfCheetah-v5",
    "Hopper-v5",
    "Humanoid-v5",
    "HumanoidStandup-v5",
    "InvertedDoublePendulum-v5",
    "InvertedPendulum-v5",
    "Pusher-v5",
    "Reacher-v5",
    "Swimmer-v5",
    "Walker2d-v5",
)

ALL_POSITIONS = {"exclude_current_positions_from_observation": False}
CHANGED = [
    ("HalfCheetah-v5", {"ctrl_cost_weight": 1, "forward_reward_weight": 2, "frame_skip": 3}),
    ("HalfCheetah-v5", {"reset_noise_scale": 0, **ALL_POSITIONS}),
    ("Hopper-v5", {"healthy_reward": 2, "terminate_when_unhealthy": False, **ALL_POSITIONS}),
    ("Hopper-v5", {"healthy_state_range": (-3, 3), "healthy_angle_range": (-0.05, 0.1)}),
    ("Walker2d-v5", {"healthy_reward": -1.5, "healthy_z_range": (1.1, 1.5), **ALL_POSITIONS}),
    ("Walker2d-v5", {"healthy_angle_range": (-0.2, 0.1), "ctrl_cost_weight": 0.3}),
    ("Ant-v5", {"main_body": "aux_1", "include_cfrc_ext_in_observation": False}),
    ("Ant-v5", {"main_body": 4, "healthy_z_range": (0.4, 0.8), "healthy_reward": 3}),
    ("Ant-v5", {"contact_force_range": (0, 0.3), "contact_cost_weight": 0.1, **ALL_POSITIONS}),
    (
        "Humanoid-v5",
        {
            "include_cinert_in_observation": False,
            "include_cfrc_ext_in_observation": False,
            "contact_cost_weight": 1e-6,
            "contact_cost_range": (1e-4, 2e-3),
            "terminate_when_unhealthy": False,
        },
    ),
    (
        "Humanoid-v5",
        {
            "include_cvel_in_observation": False,
            "include_qfrc_actuator_in_observation": False,
            "healthy_z_range": (1.2, 1.5),
            **ALL_POSITIONS,
        },
    ),
    ("HumanoidStandup-v5", {"impact_cost_weight": 1e-5, "impact_cost_range": (1e-3, 0.1)}),
    ("HumanoidStandup-v5", {"uph_cost_weight": 3, "frame_skip": 2, **ALL_POSITIONS}),
    ("Swimmer-v5", {"ctrl_cost_weight": 0.5, "forward_reward_weight": 0.3, **ALL_POSITIONS}),
    ("Reacher-v5", {"reward_dist_weight": 2.5, "reward_control_weight": 2}),
    ("Pusher-v5", {"reward_near_weight": 0.3, "reward_dist_weight": 2, "frame_skip": 2}),
    ("InvertedPendulum-v5", {"reset_noise_scale": 0.15, "frame_skip": 1}),
    ("InvertedDoublePendulum-v5", {"healthy_reward": 3, "reset_noise_scale": 0.3}),
]


class Twins:
    """Gymnasium's own environments beside the vector under test."""

    def __init__(self, env_id, **kwargs):
        self.envs = make_vec(env_id, num_envs=SIMS, **kwargs)
        self.alone = [gymnasium.make(env_id, **kwargs) for _ in range(SIMS)]
        self.episodes = 0

    def reset(self):
        obs, infos = self.envs.reset(seed=SEED)
        for i, env in enumerate(self.alone):
            wanted, wanted_info = env.reset(seed=SEED + i)
            same_bits("reset obs", obs[i], wanted)
            same_info(infos, i, wanted_info)

    def step(self, actions):
        obs, rewards, terminated, truncated, infos = self.envs.step(actions)
        diverged = infos.pop("diverged", np.zeros(SIMS))
        infos.pop("_diverged", None)
        for i, env in enumerate(self.alone):
            clear_warnings(env)
            wanted, reward, ends, cut, info = env.step(actions[i])
            assert diverged[i] == bad_states(env)
            same_bits("reward", rewards[i], np.float64(reward))
            assert (terminated[i], truncated[i]) == (ends, cut)
            if ends or cut:
                self.episodes += 1
                same_bits("final_obs", infos["final_obs"][i], wanted)
                same_info(infos["final_info"], i, info)
                wanted, info = env.reset()
            same_bits("obs", obs[i], wanted)
            same_info(infos, i, info)

    def put(self, i, qpos, qvel):
        self.alone[i].unwrapped.set_state(qpos, qvel)
        self.envs.set_state(i, qpos, qvel)

    def close(self):
        self.envs.close()
        for env in self.alone:
            env.close()


@pytest.fixture(autouse=True)
def mujoco_is_quiet():
    """Unhealthy states make it warn, on the terminal and in a file."""
    before = mujoco.get_mju_user_warning()
    mujoco.set_mju_user_warning(lambda text: None)
    yield
    mujoco.set_mju_user_warning(before)


BAD_STATES = [
    mujoco.mjtWarning.mjWARN_BADQPOS,
    mujoco.mjtWarning.mjWARN_BADQVEL,
    mujoco.mjtWarning.mjWARN_BADQACC,
]


def clear_warnings(env):
    for kind in BAD_STATES:
        env.unwrapped.data.warning[kind].number = 0


def bad_states(env):
    """How many bad states MuJoCo met, and reset, since the warnings were cleared."""
    return sum(env.unwrapped.data.warning[kind].number for kind in BAD_STATES)


def same_bits(name, ours, theirs):
    ours, theirs = np.asarray(ours), np.asarray(theirs)
    assert (ours.dtype, ours.shape) == (theirs.dtype, theirs.shape), name
    if ours.tobytes() != theirs.tobytes():
        wrong = np.flatnonzero(ours != theirs)
        pairs = f"{ours.flat[wrong]} and {theirs.flat[wrong]}"  # of scalars too
        raise AssertionError(f"{name} differs at {wrong}: {pairs}")


def same_info(infos, i, wanted):
    """Same fields in the same order, each with the value and the type that Gymnasium gives it."""
    fields = [key for key in infos if "_" + key in infos and infos["_" + key][i]]
    assert [key for key in fields if not key.startswith("final_")] == list(wanted)
    for key, value in wanted.items():
        same_bits(key, infos[key][i], value)


def bounds(env_id):
    return gymnasium.make(env_id).action_space.high


def random_actions(env_id, steps):
    random = np.random.default_rng(SEED)
    high = bounds(env_id)
    for _ in range(steps):
        yield random.uniform(-high, high, (SIMS, len(high))).astype(np.float32)


def extreme_actions(env_id, steps):
    """Full strength for a while each way, as of a trained policy; at times beyond the bounds."""
    random = np.random.default_rng(SEED)
    high = bounds(env_id)
    walk = random.standard_normal((SIMS, len(high)))
    for step in range(steps):
        walk = 0.95 * walk + 0.3 * random.standard_normal(walk.shape)
        strength = 3 if step % 100 < 20 else 1
        yield (strength * np.sign(walk) * high).astype(np.float32)


@pytest.mark.parametrize("env_id", TASKS)
@pytest.mark.parametrize("make_actions", [random_actions, extreme_actions])
def test_a_task_is_gymnasiums_to_the_bit(env_id, make_actions):
    episodes = compare(env_id, make_actions, 1050 if make_actions is random_actions else 250)
    # each simulation's episode has been cut, or ended, at least once
    assert episodes >= (SIMS if make_actions is random_actions else 0)


@pytest.mark.long
@pytest.mark.parametrize("env_id", TASKS)
@pytest.mark.parametrize("make_actions", [random_actions, extreme_actions])
def test_a_task_stays_gymnasiums_to_the_bit(env_id, make_actions):
    assert compare(env_id, make_actions, 4100) >= 4 * SIMS


def compare(env_id, make_actions, steps):
    """Step three seeds side by side and return the number of their episodes."""
    twins = Twins(env_id)
    twins.reset()
    for actions in make_actions(env_id, steps):
        twins.step(actions)
    twins.close()
    return twins.episodes


@pytest.mark.parametrize(("env_id", "kwargs"), CHANGED)
def test_arguments_do_what_they_do_in_gymnasium(env_id, kwargs):
    twins = Twins(env_id, **kwargs)
    twins.reset()
    for actions in extreme_actions(env_id, 100):
        twins.step(actions)
    twins.close()


@pytest.mark.parametrize("env_id", TASKS)
def test_steps_from_tilted_and_fast_states_are_gymnasiums(env_id):
    random = np.random.default_rng(SEED)
    twins = Twins(env_id)
    twins.reset()
    model = twins.alone[0].unwrapped.model
    start = twins.alone[0].unwrapped.init_qpos
    for actions in random_actions(env_id, 30):
        for i in range(SIMS):
            tilt, speed = random.choice([0.1, 0.5, 2.0]), random.choice([0.1, 5.0, 50.0, 500.0])
            qpos = start + tilt * random.standard_normal(model.nq)
            twins.put(i, qpos, speed * random.standard_normal(model.nv))
        twins.step(actions)
    twins.close()
