"""make_vec takes what gymnasium.make_vec takes, or says what to do."""

import re
from pathlib import Path

import gymnasium
import numpy as np
import pytest
import task_twin
from gymnasium.envs.registration import EnvSpec
from gymnasium.vector import AsyncVectorEnv, AutoresetMode, SyncVectorEnv
from gymnasium.wrappers import RescaleAction, TimeAwareObservation

import td7
from td7.envs import NativeVectorEnv, TaskVectorEnv

SAME_STEP, NEXT_STEP = AutoresetMode.SAME_STEP, AutoresetMode.NEXT_STEP
HOPPER, CARTPOLE = "Hopper-v5", "CartPole-v1"


@pytest.fixture(autouse=True)
def in_a_folder_of_its_own(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize("mode", AutoresetMode)
@pytest.mark.parametrize("env_id", [HOPPER, CARTPOLE])
def test_a_spec_keeps_autoreset_mode_number_and_arguments(env_id, mode):
    made = td7.make_vec(env_id, 2, autoreset_mode=mode, max_episode_steps=7)
    again = EnvSpec.from_json(made.spec.to_json())
    for spec in (made.spec, again):
        for make in (gymnasium.make_vec, td7.make_vec):
            other = make(spec)
            assert other.num_envs == 2 and other.metadata["autoreset_mode"] is mode
            assert other.spec.kwargs["max_episode_steps"] == 7
            assert other.reset(seed=3)[0].tobytes() == made.reset(seed=3)[0].tobytes()
            if make is td7.make_vec:
                assert type(other) is type(made)


def test_the_spec_of_one_environment_is_native_where_its_id_is():
    spec = gymnasium.spec(HOPPER)
    assert isinstance(td7.make_vec(spec, 2), NativeVectorEnv)
    spec = gymnasium.make(HOPPER, max_episode_steps=9, healthy_reward=3.0).spec
    ours, theirs = td7.make_vec(spec), gymnasium.make_vec(spec)
    assert isinstance(ours, NativeVectorEnv)
    assert ours.spec.max_episode_steps == theirs.spec.max_episode_steps == 9
    ours.reset(seed=0), theirs.reset(seed=0)
    zeros = np.zeros((1, 3), np.float32)
    assert ours.step(zeros)[1] == theirs.step(zeros)[1]
    spec.max_episode_steps = None
    assert td7.make_vec(spec).spec.max_episode_steps is None


def test_the_spec_of_a_wrapped_environment_is_made_with_its_wrappers():
    spec = TimeAwareObservation(gymnasium.make(HOPPER)).spec
    made = td7.make_vec(spec, 2)
    assert isinstance(made, SyncVectorEnv) and made.single_observation_space.shape == (12,)


def test_wrappers_make_gymnasiums_own_environments():
    made = td7.make_vec(HOPPER, 2, wrappers=[TimeAwareObservation])
    assert isinstance(made, SyncVectorEnv) and made.autoreset_mode is SAME_STEP
    assert made.single_observation_space.shape == (12,)
    two = td7.make_vec(
        CARTPOLE, 2, wrappers=(TimeAwareObservation, gymnasium.wrappers.FlattenObservation)
    )
    assert two.single_observation_space.shape == (5,)


def test_a_vectorization_mode_makes_gymnasiums_own_vector_environment():
    assert isinstance(td7.make_vec(HOPPER, vectorization_mode="sync"), SyncVectorEnv)
    asynchronous = td7.make_vec(
        CARTPOLE, 2, vectorization_mode=gymnasium.VectorizeMode.ASYNC, autoreset_mode="NextStep"
    )
    assert isinstance(asynchronous, AsyncVectorEnv)
    assert asynchronous.autoreset_mode is NEXT_STEP
    asynchronous.close()
    own = td7.make_vec(CARTPOLE, 2, vectorization_mode="vector_entry_point")
    theirs = gymnasium.make_vec(CARTPOLE, 2, vectorization_mode="vector_entry_point")
    assert type(own) is type(theirs) and own.metadata == theirs.metadata


def test_vector_kwargs_say_autoreset_mode_and_copy():
    for env_id in (HOPPER, CARTPOLE):
        made = td7.make_vec(env_id, 2, vector_kwargs={"autoreset_mode": NEXT_STEP, "copy": False})
        assert made.metadata["autoreset_mode"] is NEXT_STEP
        obs, _ = made.reset(seed=0)
        assert made.step(made.action_space.sample())[0] is obs
    same = {"observation_mode": "same", "autoreset_mode": "Disabled"}
    made = td7.make_vec(HOPPER, vector_kwargs=same, autoreset_mode="Disabled")
    assert isinstance(made, NativeVectorEnv)
    made = td7.make_vec(task_twin.Crawler, vector_kwargs={"autoreset_mode": "NextStep"})
    assert made.autoreset_mode is NEXT_STEP


@pytest.mark.parametrize(
    ("env", "arguments", "text"),
    [
        (
            HOPPER,
            {"vector_kwargs": {"autoreset_mode": "NextStep"}, "autoreset_mode": "SameStep"},
            "autoreset_mode must be that of vector_kwargs where both are given, got 'SameStep' and",
        ),
        (
            HOPPER,
            {"vector_kwargs": {"shared_memory": True}},
            "vector_kwargs must be autoreset_mode, copy or observation_mode='same' for a task in C",
        ),
        (
            HOPPER,
            {"vector_kwargs": {"observation_mode": "different"}},
            "vector_kwargs must be autoreset_mode, copy or observation_mode='same' for a task in C",
        ),
        (
            HOPPER,
            {"vectorization_mode": "parallel"},
            "vectorization_mode must be None or one of 'async', 'sync', 'vector_entry_point', got",
        ),
        (
            HOPPER,
            {"vectorization_mode": "vector_entry_point"},
            "env 'Hopper-v5' cannot be made: Cannot create vectorized environment for",
        ),
        (
            CARTPOLE,
            {"vectorization_mode": "vector_entry_point", "autoreset_mode": "SameStep"},
            "autoreset_mode must be None with vectorization_mode='vector_entry_point', which has",
        ),
        (
            task_twin.Crawler,
            {"wrappers": [TimeAwareObservation]},
            "wrappers must be empty for a task, which has no single environments, got [<class ",
        ),
        (
            task_twin.Crawler,
            {"vectorization_mode": "sync"},
            "vectorization_mode must be None for a task, whose simulations run on num_threads th",
        ),
        (
            task_twin.Crawler,
            {"vector_kwargs": {"copy": False}},
            "vector_kwargs must have copy=True for a task, got copy=False",
        ),
        (
            task_twin.Crawler,
            {"vector_kwargs": {"shared_memory": True}},
            "vector_kwargs must be autoreset_mode, copy or observation_mode='same' for a task, got",
        ),
    ],
)
def test_what_cannot_be_done_is_named_with_what_can(env, arguments, text):
    with pytest.raises(ValueError, match=re.escape(text)):
        td7.make_vec(env, **arguments)


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ({"wrappers": RescaleAction}, "wrappers must be a list of functions, each of an env"),
        ({"wrappers": ["Rescale"]}, "wrappers must be a list of functions, each of an env"),
        ({"vector_kwargs": ["copy"]}, "vector_kwargs must be a dict, got ['copy']"),
    ],
)
def test_arguments_of_another_type_are_named(arguments, text):
    with pytest.raises(TypeError, match=re.escape(text)):
        td7.make_vec(HOPPER, **arguments)


@pytest.mark.parametrize(
    ("env_id", "category", "text"),
    [
        ("Ant-v4", DeprecationWarning, "Ant-v4 is out of date"),
        ("Hopper", UserWarning, "Using the latest versioned environment `Hopper-v5`"),
    ],
)
def test_an_old_or_missing_version_warns_as_in_gymnasium(env_id, category, text):
    for make in (gymnasium.make_vec, td7.make_vec):
        with pytest.warns(category, match=text):
            make(env_id)


def test_len_and_with_are_those_of_the_simulations():
    with td7.make_vec(HOPPER, 3) as env:
        assert len(env) == 3 and not env.closed
    assert env.closed
    assert isinstance(td7.make_vec(task_twin.Crawler, 2), TaskVectorEnv)
    assert not list(Path.cwd().iterdir())
