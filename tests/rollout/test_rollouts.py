"""Episodes made in C++ equal those stepped over Gymnasium, whatever runs beside them."""

import os
import re
import signal
import threading
import time
from pathlib import Path

import gymnasium
import mujoco
import numpy as np
import pytest
import torch

from td7 import LapReplay
from td7.envs import GymnasiumSimulations, SimulationError
from td7.envs.native import make_engine, pcg64_words
from td7.extension import core
from td7.policy.module import SalePolicy
from td7.policy.native import NativePolicy
from td7.rollout import env_seeds, open_rollouts
from td7.rollout.native import NativeRollouts
from td7.rollout.stepped import SteppedRollouts

SEEDS = (3, 8)
NOISE = 0.3


def policies_for(rollouts, count=2):
    """Return policies with large weights: actions reach the bounds."""
    sizes = rollouts.observation_space.shape[0], rollouts.action_space.shape[0]
    generator, policies = torch.Generator().manual_seed(1), []
    for _ in range(count):
        module = SalePolicy(*sizes, 32, 32, 32)
        for parameter in module.parameters():
            parameter.normal_(std=1.5 * parameter.shape[-1] ** -0.5, generator=generator)
        module.low.copy_(torch.from_numpy(rollouts.action_space.low))
        module.high.copy_(torch.from_numpy(rollouts.action_space.high))
        policies.append(NativePolicy(module))
    return policies


def native(env_id, num_envs=3, num_threads=2, seeds=SEEDS, keep_rows=True):
    return NativeRollouts(env_id, seeds, num_envs, num_threads, NOISE, keep_rows, 0)


def stepped(env_id, num_envs=3):
    simulations = GymnasiumSimulations(env_id, len(SEEDS) * num_envs)
    return SteppedRollouts(simulations, SEEDS, num_envs, NOISE, True, 0)


def schedule(rollouts, replay):
    """Run as a learner does, with limits in the middle of episodes; return what there was."""
    policies, seen = policies_for(rollouts), []
    never = np.array([[0, 30, 55], [70, 0, 1]])
    for behaviours, most in [
        (["random", "random"], never + 20),
        (["random", "explore"], never),
        (["greedy", "explore"], never * 3),
        (["explore", "greedy"], never + 5),
    ]:
        rollouts.run(policies, most, behaviours, lambda: False)
        for member in range(len(SEEDS)):
            for sim in range(rollouts.num_envs):
                episode = rollouts.episode(member, sim)
                seen.append((member, sim, episode))
                if episode.ended:
                    rollouts.store(member, sim, replay, member)
                    rollouts.clear(member, sim)
    for member in range(len(SEEDS)):  # what has not ended goes in step by step
        for sim in range(rollouts.num_envs):
            rollouts.store(member, sim, replay, member)
    states = [state for member in range(len(SEEDS)) for state in rollouts.states(member)]
    for member in range(len(SEEDS)):
        for sim in range(rollouts.num_envs):
            rollouts.clear(member, sim)
    return seen, states, [generators(rollouts, m) for m in range(len(SEEDS))]


def assert_same_states(states, wanted):
    for mine, theirs in zip(states, wanted, strict=True):
        np.testing.assert_array_equal(mine.actions, theirs.actions)
        same = ("steps", "stored", "episode_return", "seen")
        assert [getattr(mine, n) for n in same] == [getattr(theirs, n) for n in same]


def generators(rollouts, member):
    return [state.generator for state in rollouts.states(member)]


def replay_for(rollouts):
    sizes = rollouts.observation_space.shape[0], rollouts.action_space.shape[0]
    return LapReplay(5_000, *sizes, seeds=SEEDS, streams=rollouts.num_envs)


def assert_same_replay(replay, wanted):
    for member in range(len(SEEDS)):
        assert replay.size(member) == wanted.size(member) > 0
    mine, theirs = replay.sample(512), wanted.sample(512)
    for name in ("obs", "action", "reward", "next_obs", "not_terminated", "index"):
        np.testing.assert_array_equal(getattr(mine, name), getattr(theirs, name), err_msg=name)


@pytest.mark.parametrize("env_id", ["HalfCheetah-v5", "Hopper-v5", "Humanoid-v5", "Reacher-v5"])
@pytest.mark.filterwarnings("ignore:compiler attribute")
def test_native_episodes_equal_stepped_ones_to_the_bit(env_id):
    ours, theirs = native(env_id), stepped(env_id)
    mine, wanted = replay_for(ours), replay_for(theirs)
    seen, states, numbers = schedule(ours, mine)
    wanted_seen, wanted_states, wanted_numbers = schedule(theirs, wanted)
    assert (seen, numbers) == (wanted_seen, wanted_numbers)
    assert_same_states(states, wanted_states)
    assert any(episode.ended for _, _, episode in seen) or env_id == "HalfCheetah-v5"
    assert_same_replay(mine, wanted)


@pytest.mark.parametrize("num_threads", [2, 7])
def test_the_number_of_threads_changes_nothing(num_threads):
    results = []
    for threads in (1, num_threads):
        rollouts = native("Hopper-v5", num_threads=threads)
        replay = replay_for(rollouts)
        results.append((schedule(rollouts, replay), replay))
    (seen, states, numbers), (wanted_seen, wanted_states, wanted_numbers) = (r[0] for r in results)
    assert (seen, numbers) == (wanted_seen, wanted_numbers)
    assert_same_states(states, wanted_states)
    assert_same_replay(results[1][1], results[0][1])


def test_a_member_and_a_simulation_run_as_they_would_alone():
    together = native("Hopper-v5", num_envs=9)  # more than a policy works on at once
    policies = policies_for(together)
    together.run(policies, np.full((2, 9), 40), ["explore", "explore"], lambda: False)
    alone = native("Hopper-v5", num_envs=9)
    most = np.zeros((2, 9), np.int64)
    most[1, 8] = 40
    alone.run(policies, most, ["explore", "explore"], lambda: False)
    assert alone.episode(1, 8) == together.episode(1, 8)
    for mine, theirs in zip(alone._core.rows(17), together._core.rows(17), strict=True):
        np.testing.assert_array_equal(mine, theirs)
    single = native("Hopper-v5", num_envs=1, seeds=SEEDS[1:])
    single.run(policies[1:], np.array([[40]]), ["explore"], lambda: False)
    assert single.episode(0, 0) == together.episode(1, 0)


def test_saved_steps_and_generators_continue_the_episodes():
    first = native("Hopper-v5")
    policies = policies_for(first)

    def go(rollouts):
        rollouts.run(policies, np.full((2, 3), 1000), ["explore"] * 2, lambda: False)
        episodes = [rollouts.episode(m, s) for m in range(2) for s in range(3)]
        for member in range(2):
            for sim in range(3):
                rollouts.clear(member, sim)
        return episodes

    go(first)
    second = native("Hopper-v5")
    for member in range(2):
        assert second.resume(member, first.states(member), policies[member]) == []
    assert go(second) == go(first)


def test_the_seeds_of_a_member_begin_with_its_own_and_meet_no_others():
    assert env_seeds(7, 1) == [7]
    seeds = [env_seed for seed in range(50) for env_seed in env_seeds(seed, 20)]
    assert len(set(seeds)) == len(seeds)
    assert env_seeds(7, 20)[:5] == env_seeds(7, 5)


def altered(path, name, pattern, replacement):
    """Write one of Gymnasium's models with a change, and return an engine of six over it."""
    assets = Path(gymnasium.__file__).parent / "envs" / "mujoco" / "assets"
    text, count = re.subn(pattern, replacement, (assets / f"{name}.xml").read_text())
    assert count > 0
    (path / "model.xml").write_text(text)
    kwargs = {"xml_file": str(path / "model.xml"), "terminate_when_unhealthy": False}
    engine = make_engine("Hopper-v5", 6, 2, **kwargs)
    for sim in range(6):
        engine.seed(sim, pcg64_words(np.random.PCG64(sim).state))
    return engine


def test_a_simulation_that_diverges_is_named_and_the_others_episodes_survive(tmp_path):
    """Without limits on its motors, member 1 acts with 1e9 times their strength."""
    policies, most = policies_for(native("Hopper-v5")), np.full((2, 3), 10, np.int64)
    module = SalePolicy(11, 3, 32, 32, 32)
    for parameter in module.parameters():
        parameter.fill_(0.1)
    module.low.fill_(-1e9), module.high.fill_(1e9)
    policies[1].load(module)
    engines = [
        altered(tmp_path, "hopper", 'ctrllimited="true"', 'ctrllimited="false"') for _ in "ab"
    ]
    rollouts, wanted = (core.Rollouts(e, np.array(SEEDS, np.uint64), True) for e in engines)
    cores, no_noise = [policy.core for policy in policies], 0.0
    most[1] = 0
    for each in (rollouts, wanted):
        each.run(cores, most, ["explore"] * 2, no_noise)
    most[1] = [0, 5, 0]
    with pytest.raises(
        SimulationError,
        match=r"^seed 8, simulation 1, episode step 1: MuJoCo met a bad position, velocity or "
        r"acceleration and reset the state$",
    ):
        rollouts.run(cores, most, ["explore"] * 2, no_noise)
    most[1] = 0
    wanted.run(cores, most, ["explore"] * 2, no_noise)
    for sim in range(3):
        assert rollouts.episode(sim) == wanted.episode(sim)
        assert rollouts.episode(sim)[1] == 20
        for mine, theirs in zip(rollouts.rows(sim), wanted.rows(sim), strict=True):
            np.testing.assert_array_equal(mine, theirs)
    # what it did before is kept; then it starts anew
    assert rollouts.episode(4)[1] == rollouts.steps[4] == 0
    most[1] = [0, 5, 0]
    module.low.fill_(-1), module.high.fill_(1)
    policies[1].load(module)
    rollouts.run(cores, most, ["explore"] * 2, no_noise)
    assert rollouts.episode(4)[1] == rollouts.steps[4] == 5


def test_an_error_of_mujoco_ends_neither_the_process_nor_the_others(tmp_path):
    """With memory for few contacts a hopper that falls flat raises an error inside mj_step."""
    engine = altered(tmp_path, "hopper", "(<mujoco[^>]*>)", r'\1<size memory="4K"/>')
    rollouts = core.Rollouts(engine, np.array([5], np.uint64), True)
    policies = [policies_for(native("Hopper-v5"))[0].core]
    with pytest.raises(
        SimulationError,
        match=r"^seed 5, simulation 0, episode step \d+: mj_stackAlloc: out of memory",
    ):
        rollouts.run(policies, np.full((1, 6), 1000), ["explore"], 0.1)
    lengths = [rollouts.episode(sim)[1] for sim in range(6)]
    assert 0 < lengths[0] < 1000
    with pytest.raises(SimulationError, match=r"simulation 0, .*an error has left no state"):
        engine.physics(0)
    rollouts.run(policies, np.full((1, 6), 1), ["explore"], 0.1)  # starts anew
    assert np.isfinite(engine.physics(0)).all()
    assert [rollouts.episode(sim)[1] for sim in range(6)] == [1] * 6
    # MuJoCo's own handling of errors is in force again
    small = mujoco.MjModel.from_xml_path(str(tmp_path / "model.xml"))
    data = mujoco.MjData(small)
    with pytest.raises(mujoco.FatalError, match="out of memory"):
        mujoco.mj_step(small, data, nstep=5000)


def test_an_episode_is_not_continued_where_somebody_else_has_moved_the_simulation():
    rollouts = native("Hopper-v5")
    policies, most = policies_for(rollouts), np.full((2, 3), 3)
    rollouts.run(policies, most, ["explore"] * 2, lambda: False)
    rollouts._engine.reset(np.array([1]), np.zeros((1, 11)), np.zeros((1, 6)))
    rollouts._engine.set_state(2, np.zeros(6), np.zeros(6))
    rollouts.run(policies, most, ["explore"] * 2, lambda: False)
    lengths = [rollouts.episode(0, sim).length for sim in range(3)]
    assert lengths == [6, 3, 3]
    assert [len(rollouts._core.rows(sim)[0]) for sim in range(3)] == [7, 4, 4]


def test_physics_does_not_depend_on_how_the_thread_that_makes_the_engine_rounds():
    """Actions so small that flushing them to zero is seen in the physics."""
    states = []
    for flush in (False, True):
        torch.set_flush_denormal(flush)
        rollouts = native("HalfCheetah-v5", num_envs=1, seeds=(3,))
        torch.set_flush_denormal(False)
        (policy,) = policies_for(rollouts, 1)
        module = SalePolicy(17, 6, 32, 32, 32)
        for parameter in module.parameters():
            parameter.zero_()
        module.actor.l3.bias.fill_(1.0)
        module.low.fill_(-1e-40), module.high.fill_(1e-40)
        policy.load(module)
        rollouts.run([policy], np.array([[3]]), ["greedy"], lambda: False)
        states.append(rollouts._engine.physics(0))
    np.testing.assert_array_equal(states[0], states[1])


def test_a_stop_keeps_what_has_ended_and_continues_the_rest():
    rollouts, wanted = native("Hopper-v5"), native("Hopper-v5")
    policies, most = policies_for(rollouts), np.full((2, 3), 1000)
    polls = []

    def stopped():
        polls.append(1)
        return len(polls) == 1

    for _ in range(200):  # a stop here and there
        polls.clear()
        rollouts.run(policies, most, ["explore"] * 2, stopped)
        if all(rollouts.episode(m, s).ended for m in range(2) for s in range(3)):
            break
    wanted.run(policies, most, ["explore"] * 2, lambda: False)
    for member in range(2):
        for sim in range(3):
            assert rollouts.episode(member, sim) == wanted.episode(member, sim)


def test_a_keyboard_interrupt_stops_within_a_tenth_of_a_second():
    # a shell's background jobs ignore the signal
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        # of several: another program may have the processors for that long
        assert min(seconds_to_stop() for _ in range(4)) < 0.1
    finally:
        signal.signal(signal.SIGINT, before)


def seconds_to_stop():
    rollouts = native("Humanoid-v5", num_envs=4, keep_rows=False)
    policies = policies_for(rollouts)
    sent = []

    def send():
        time.sleep(0.3)
        sent.append(time.perf_counter())
        os.kill(os.getpid(), signal.SIGINT)

    sender = threading.Thread(target=send)
    sender.start()
    with pytest.raises(KeyboardInterrupt):
        while True:
            rollouts.run(policies, np.full((2, 4), 100_000), ["random"] * 2, lambda: False)
            for sim in range(8):
                rollouts.clear(sim // 4, sim % 4)
    took = time.perf_counter() - sent[0]
    sender.join()
    return took


def test_an_exception_of_the_callers_stop_function_comes_back():
    rollouts = native("Humanoid-v5")

    def broken():
        raise ZeroDivisionError("broken")

    with pytest.raises(ZeroDivisionError, match="broken"):
        for _ in range(100):
            rollouts.run(policies_for(rollouts), np.full((2, 3), 1000), ["random"] * 2, broken)
            for sim in range(6):
                rollouts.clear(sim // 3, sim % 3)


def test_a_second_thread_is_refused_while_simulations_run():
    rollouts, polled, go_on = native("Humanoid-v5"), threading.Event(), threading.Event()
    policies, errors = policies_for(rollouts), []

    def stopped():
        polled.set()
        go_on.wait(10)
        return True

    def run():
        while not polled.is_set():
            rollouts.run(policies, np.full((2, 3), 1000), ["random"] * 2, stopped)
            for sim in range(6) if not polled.is_set() else ():
                rollouts.clear(sim // 3, sim % 3)

    thread = threading.Thread(target=run)
    thread.start()
    assert polled.wait(10)
    for call in (lambda: rollouts.episode(0, 0), lambda: rollouts._engine.physics(0)):
        try:
            call()
        except RuntimeError as error:
            errors.append(str(error))
    go_on.set()
    thread.join()
    assert errors == ["the simulations are in use by another call"] * 2


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
def test_a_forked_process_is_told_that_it_has_no_threads():
    rollouts = native("Hopper-v5")
    policies = policies_for(rollouts)
    child = os.fork()
    if child == 0:
        code = 1
        try:
            rollouts.run(policies, np.full((2, 3), 5), ["random"] * 2, lambda: False)
        except RuntimeError as error:
            code = 42 if "do not survive a fork" in str(error) else 2
        del rollouts  # must not wait for threads that are not there
        os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 42


def test_mujocos_handler_is_back_after_a_run():
    said = []
    before = mujoco.get_mju_user_warning()
    mujoco.set_mju_user_warning(said.append)
    try:
        rollouts = native("Hopper-v5")
        rollouts.run(policies_for(rollouts), np.full((2, 3), 5), ["random"] * 2, lambda: False)
        model = mujoco.MjModel.from_xml_string(
            "<mujoco><worldbody><body><freejoint/><geom size='.1'/></body></worldbody></mujoco>"
        )
        data = mujoco.MjData(model)
        data.qvel[0] = np.nan
        mujoco.mj_step(model, data)
    finally:
        mujoco.set_mju_user_warning(before)
    assert any("QVEL" in text for text in said)


def test_bad_arguments_are_refused_by_name():
    rollouts = native("Hopper-v5")
    policies, most = policies_for(rollouts), np.full((2, 3), 5)
    wrong = policies_for(native("Reacher-v5", seeds=(0, 1)))

    def run(**changes):
        call = {
            "policies": policies,
            "most_steps": most,
            "behaviours": ["random"] * 2,
            "stopped": lambda: False,
        }
        rollouts.run(**{**call, **changes})

    for changes, message in [
        ({"policies": policies[:1]}, "policies must be one a member, 2, got 1"),
        ({"policies": wrong}, "policies must map 11 to 3 numbers, got one of 10 to 2"),
        ({"most_steps": -most}, "most_steps must not be negative"),
        ({"most_steps": most[:1]}, r"most_steps must be int64 \[2, 3\] C-contiguous, got int64"),
        ({"most_steps": most * 1.0}, r"most_steps must be int64 \[2, 3\].*got float64 \[2, 3\]"),
        ({"behaviours": ["random"]}, "behaviours must be one a member, 2, got 1"),
        ({"behaviours": ["random", "wild"]}, "must be greedy, explore or random, got wild"),
    ]:
        with pytest.raises(ValueError, match=message):
            run(**changes)
    with pytest.raises(IndexError, match=r"sim must be in \[0, 6\), got 6"):
        rollouts._core.episode(6)
    with pytest.raises(ValueError, match="replay must hold transitions of the task's sizes"):
        rollouts.store(0, 0, LapReplay(100, 3, 3), 0)
    with pytest.raises(TypeError, match=r"policies must be of _core.Policy, got None"):
        rollouts._core.run([None] * 2, most, ["random"] * 2, 0.1)
    with pytest.raises(ValueError, match="noise must be from 0 to 1e6, got nan"):
        rollouts._core.run([p.core for p in policies], most, ["random"] * 2, float("nan"))
    with pytest.raises(ValueError, match=r"steps must be in \[0, 2\^40\), got 1099511627776"):
        rollouts._core.set_steps(0, 2**40)
    with pytest.raises(ValueError, match=r"actions must be float32 \[T, 3\]"):
        rollouts._core.repeat(0, policies[0].core, np.zeros((4, 3)), 0)
    with pytest.raises(ValueError, match=r"stored must be in \[0, 4\], got 5"):
        rollouts._core.repeat(0, policies[0].core, np.zeros((4, 3), np.float32), 5)
    with pytest.raises(ValueError, match="policies must map 11 to 3 numbers, got one of 17 to 6"):
        half_cheetah = policies_for(native("HalfCheetah-v5"))[0]
        rollouts._core.repeat(0, half_cheetah.core, np.zeros((4, 3), np.float32), 0)
    with pytest.raises(TypeError):
        core.Rollouts(None, np.zeros(2, np.uint64), True)
    unkept = native("Hopper-v5", keep_rows=False)
    with pytest.raises(ValueError, match="these rollouts keep no rows to store"):
        unkept.store(0, 0, replay_for(rollouts), 0)
    engine = make_engine("Reacher-v5", 2, 1)
    with pytest.raises(SimulationError, match="simulation 0, episode step 0: the simulation has"):
        engine.reset(np.arange(2), np.zeros((2, 10)), np.zeros((2, 2)))
    with pytest.raises(ValueError, match="the state of a PCG64 must have an odd increment"):
        engine.seed(0, np.zeros(6, np.uint64))
    with pytest.raises(ValueError, match="num_threads must be at most 4096, got 5000"):
        make_engine("Hopper-v5", 1, 5000)
    with pytest.raises(ValueError, match=r"num_envs must be at most 2\^20 in all, got 2000000"):
        make_engine("Hopper-v5", 2_000_000, 1)
    with pytest.raises(TypeError, match="ctrl_cost_weight must be a number of Python's"):
        make_engine("Hopper-v5", 1, 1, ctrl_cost_weight=np.float64(0.3))
    with pytest.raises(ValueError, match="must be as many for each of the seeds"):
        core.Rollouts(make_engine("Hopper-v5", 3, 1), np.zeros(2, np.uint64), True)
    for name, arguments in {"num_envs": (0, 1), "num_threads": (1, -1)}.items():
        with pytest.raises(ValueError, match=f"{name} must be at least 1, got {min(arguments)}"):
            make_engine("Hopper-v5", *arguments)


@pytest.mark.parametrize("env_id", ["Hopper-v5", "Toy/Ending-v0"])
def test_a_policy_that_is_not_finite_is_an_error_of_its_simulations(env_id):
    rollouts = open_rollouts(env_id, (3,), 2)
    (policy,) = policies_for(rollouts, 1)
    sizes = rollouts.observation_space.shape[0], rollouts.action_space.shape[0]
    module = SalePolicy(*sizes, 32, 32, 32)
    for parameter in module.parameters():
        parameter.fill_(float("nan"))
    policy.load(module)
    with pytest.raises(SimulationError, match=r"the policy's action must be finite"):
        rollouts.run([policy], np.full((1, 2), 5), ["greedy"], lambda: False)
    rollouts.close()
