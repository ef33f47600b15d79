"""Data sets for the tests, written by their packages alone: what td7 must read."""

import os
import warnings

import h5py
import numpy as np
from gymnasium.spaces import Box

OBS = Box(-np.inf, np.inf, (3,), np.float64)
ACTION = Box(np.array([-1.0, 0.0], np.float32), np.array([3.0, 0.5], np.float32))


def episodes(lengths=((5, True), (4, False), (1, True), (7, False)), seed=0):
    """Return episodes of Toy/Point-v0's sizes: (obs [T + 1, 3], action, reward, terminated)."""
    random = np.random.default_rng(seed)
    made = []
    for length, terminated in lengths:
        obs = random.normal(size=(length + 1, 3)).astype(np.float32).astype(np.float64)
        action = random.uniform(ACTION.low, ACTION.high, (length, 2)).astype(np.float32)
        made.append((obs, action, random.normal(size=length), terminated))
    return made


def flat(made, next_observations=True):
    """Return D4RL's arrays of episodes."""
    ends = [np.arange(len(reward)) == len(reward) - 1 for _, _, reward, _ in made]
    arrays = {
        "observations": np.concatenate([obs[:-1] for obs, _, _, _ in made]),
        "actions": np.concatenate([action for _, action, _, _ in made]),
        "rewards": np.concatenate([reward for _, _, reward, _ in made]),
        "terminals": np.concatenate([e & t for e, (_, _, _, t) in zip(ends, made, strict=True)]),
        "timeouts": np.concatenate([e & ~t for e, (_, _, _, t) in zip(ends, made, strict=True)]),
    }
    if next_observations:
        arrays["next_observations"] = np.concatenate([obs[1:] for obs, _, _, _ in made])
    return arrays


def write_npz(path, arrays):
    np.savez(path, **arrays)
    return path


def write_hdf5(path, arrays):
    with h5py.File(path, "w") as file:
        for name, array in arrays.items():
            file[name] = array
    return path


def write_minari(folder, made, observation_space=OBS, action_space=ACTION, **more):
    """Write a data set into the new folder FOLDER, whose name is the data set's."""
    import minari
    from minari.data_collector import EpisodeBuffer

    buffers = []
    for obs, action, reward, terminated in made:
        last = np.arange(len(reward)) == len(reward) - 1
        buffers.append(
            EpisodeBuffer(
                observations=obs,
                actions=action,
                rewards=reward,
                terminations=last & terminated,
                truncations=last & (not terminated),
            )
        )
    before = os.environ.get("MINARI_DATASETS_PATH")
    os.environ["MINARI_DATASETS_PATH"] = str(folder.parent)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            minari.create_dataset_from_buffers(
                folder.name,
                buffers,
                observation_space=observation_space,
                action_space=action_space,
                **more,
            )
    finally:
        del os.environ["MINARI_DATASETS_PATH"]
        if before is not None:
            os.environ["MINARI_DATASETS_PATH"] = before
    return folder
