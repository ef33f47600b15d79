"""Data sets of every format give the replay what they hold, and are refused by name."""

import dataclasses
import json
import zipfile

import dataset_files
import gymnasium
import numpy as np
import pytest
from dataset_files import ACTION, OBS, episodes, flat, write_hdf5, write_minari, write_npz

from td7 import DeviceLapReplay, LapReplay
from td7.datasets import d4rl
from td7.datasets.fill import fill
from td7.datasets.source import open_dataset
from td7.run.dataset_facts import DatasetFacts, reference_scores


def filled(source, replay=None, env="Toy/Point-v0"):
    replay = LapReplay(100, 3, 2, seeds=(0, 1)) if replay is None else replay
    places = [(replay, member) for member in range(replay.members)]
    return replay, fill(places, open_dataset(source), env, OBS, ACTION)


def held(replay, member=0):
    """Return all that a replay holds, as a sorted list of transitions."""
    batch = replay.sample(2**15)
    names = ("obs", "action", "reward", "next_obs", "not_terminated")
    rows = [np.asarray(getattr(batch, name))[member].reshape(2**15, -1) for name in names]
    return sorted({tuple(row) for row in np.concatenate(rows, 1).tolist()})


def told(made, without_timeouts=False):
    """Return what it should hold, transition by transition."""
    rows = []
    for obs, action, reward, terminated in made:
        for step in range(len(reward)):
            last = step == len(reward) - 1
            if last and not terminated and without_timeouts:
                continue
            bounded = 2 * (action[step].astype(float) - ACTION.low) / (ACTION.high - ACTION.low) - 1
            following = obs[step] if last and without_timeouts else obs[step + 1]
            row = [*obs[step], *bounded, reward[step], *following, not (last and terminated)]
            rows.append(tuple(np.array(row, np.float32).tolist()))
    return sorted(rows)


@pytest.fixture(params=["minari", "hdf5", "npz", "npz-in-blocks"])
def source(request, tmp_path, monkeypatch):
    if request.param == "minari":
        return write_minari(tmp_path / "toy-v0", episodes())
    if request.param == "hdf5":
        return write_hdf5(tmp_path / "toy.hdf5", flat(episodes()))
    if request.param == "npz-in-blocks":
        monkeypatch.setattr(d4rl, "BLOCK", 3)
    return write_npz(tmp_path / "toy.npz", flat(episodes()))


def test_every_format_fills_every_member_with_what_it_holds(source):
    replay, facts = filled(source)
    assert held(replay, 0) == held(replay, 1) == told(episodes())
    mean = np.mean([reward.sum() for _, _, reward, _ in episodes()])
    assert (facts.transitions, facts.episodes) == (17, 4)
    assert facts.mean_return == pytest.approx(mean, rel=1e-6)
    assert replay.max_priority() == 1


def test_a_device_holds_what_the_host_does(source):
    replay, _ = filled(source)
    device, _ = filled(source, DeviceLapReplay(100, 3, 2, seeds=(0, 1)))
    assert held(device) == held(replay)


@pytest.mark.parametrize("block", [2**15, 3, 1])
def test_rows_whose_end_is_not_known_are_left_out(tmp_path, monkeypatch, block):
    monkeypatch.setattr(d4rl, "BLOCK", block)
    arrays = flat(episodes(), next_observations=False)
    replay, facts = filled(write_npz(tmp_path / "toy.npz", arrays))
    assert held(replay) == told(episodes(), without_timeouts=True)
    assert facts.transitions == open_dataset(tmp_path / "toy.npz").transitions == 15


def test_episodes_are_contiguous_and_transitions_in_no_order_are_kept(tmp_path):
    arrays = flat(episodes([(50, False)] * 20))
    order = np.random.default_rng(0).permutation(1000)
    shuffled = {name: array[order] for name, array in arrays.items() if name != "timeouts"}
    rows, sizes = {}, {}
    for name, each in {"in-order": arrays, "shuffled": shuffled}.items():
        replay = LapReplay(1000, 3, 2)
        rows[name], facts = filled(write_npz(tmp_path / f"{name}.npz", each), replay)
        assert replay.size() == facts.transitions == 1000
        sizes[name] = facts.episodes
        assert (facts.mean_return is None) == (name == "shuffled")
    assert held(rows["in-order"]) == held(rows["shuffled"])
    assert sizes["in-order"] == 20 and sizes["shuffled"] > 990


def test_actions_beyond_the_bounds_by_rounding_are_clipped(tmp_path):
    arrays = flat(episodes())
    arrays["actions"] = arrays["actions"].astype(np.float64)
    arrays["actions"][2, 1] = 0.5 + 1e-6
    replay, _ = filled(write_npz(tmp_path / "toy.npz", arrays))
    assert replay.sample(2**15).action.max() == 1


BAD_ROWS = {
    "observations": (
        ("observations", (11, 2), np.nan),
        r"transition 11: observations must be finite float32, got nan in column 2",
    ),
    "large": (
        ("observations", (3, 0), 1e200),
        r"transition 3: observations must be finite float32, got 1e\+200 in column 0",
    ),
    "actions": (
        ("actions", (5, 1), np.nan),
        r"transition 5: actions must be finite float32, got nan in column 1",
    ),
    "rewards": (("rewards", 16, -np.inf), r"transition 16: rewards must be finite .* got -inf"),
    "next": (
        ("next_observations", (0, 1), np.inf),
        r"transition 0: next_observations must be finite float32, got inf in column 1",
    ),
    "bounds": (
        ("actions", (7, 0), 3.1),
        r"transition 7: actions must be in the environment's bounds \[-1, 3\], got 3.1\d* in "
        r"column 0",
    ),
    "flags": (("terminals", 9, 2), r"transition 9: terminals must be 0 or 1, got 2"),
    "cuts": (("timeouts", 4, -1), r"transition 4: timeouts must be 0 or 1, got -1"),
}


@pytest.mark.parametrize(("change", "message"), BAD_ROWS.values(), ids=BAD_ROWS)
@pytest.mark.parametrize("block", [2**15, 2])
def test_the_first_offending_transition_is_named(tmp_path, monkeypatch, change, message, block):
    monkeypatch.setattr(d4rl, "BLOCK", block)
    name, place, value = change
    arrays = {key: array.astype(np.float64) for key, array in flat(episodes()).items()}
    arrays[name][place] = value
    with pytest.raises(ValueError, match=rf"data set .*toy\.npz: {message}"):
        filled(write_npz(tmp_path / "toy.npz", arrays))


@pytest.mark.parametrize("block", [2**15, 3])
@pytest.mark.parametrize("next_observations", [True, False])
def test_of_several_faults_the_first_is_named(tmp_path, monkeypatch, block, next_observations):
    """Whatever array it is in; rows that are not learned from count too."""
    monkeypatch.setattr(d4rl, "BLOCK", block)
    arrays = flat(episodes(), next_observations)
    faults = [
        ("observations", (11, 2), np.nan, "transition 11: observations must be finite"),
        ("rewards", 8, np.nan, "transition 8: rewards must be finite"),  # cut there
        ("timeouts", 5, 7, "transition 5: timeouts must be 0 or 1, got 7"),
        ("observations", (3, 0), np.inf, "transition 3: observations must be finite"),
        ("actions", (1, 0), 99, "transition 1: actions must be in the environment's bounds"),
    ]
    for name, place, value, message in faults:
        arrays[name] = arrays[name].astype(np.float64)
        arrays[name][place] = value
        with pytest.raises(ValueError, match=rf"data set .*toy\.npz: {message}"):
            filled(write_npz(tmp_path / "toy.npz", arrays))


def test_the_last_observation_of_an_episode_is_named(tmp_path):
    made = episodes()
    made[0][0][5, 1] = np.nan
    message = r"transition 5 \(episode 0, step 5\): observations must be finite .* column 1"
    with pytest.raises(ValueError, match=message):
        filled(write_minari(tmp_path / "toy-v0", made))


@pytest.mark.parametrize("content", ["text", "npy", "compressed"])
def test_an_npz_that_holds_something_else_is_named(tmp_path, content):
    path = write_npz(tmp_path / "toy.npz", flat(episodes()))
    if content == "text":
        with zipfile.ZipFile(path, "a") as file:
            file.writestr("actions", b"no array")
            file.writestr("observations.npy", b"no array")
    elif content == "npy":
        np.save(tmp_path / "toy.npy", np.zeros(3))
        (tmp_path / "toy.npy").rename(path)
    else:
        np.savez_compressed(path, **flat(episodes()))
        damaged = bytearray(path.read_bytes())
        damaged[150:200] = bytes(50)
        path.write_bytes(damaged)
    with pytest.raises(ValueError, match=r"data set .*toy\.npz: it cannot be read"):
        filled(path)


def without(name):
    return lambda arrays: arrays.pop(name)


def put(name, change):
    return lambda arrays: arrays.update({name: change(arrays[name])})


BAD_ARRAYS = {
    "missing": (
        without("terminals"),
        "array terminals is missing; it needs .* and has actions, next_observations",
    ),
    "no-ends": (
        lambda arrays: [arrays.pop(name) for name in ("timeouts", "next_observations")],
        "it needs next_observations or timeouts",
    ),
    "lengths": (put("rewards", lambda a: a[:-1]), "must be equally long, got .*'rewards': 16"),
    "axes": (
        put("rewards", lambda a: a[:, None]),
        r"rewards must be real numbers with 1 axes, got float64 \[17, 1\]",
    ),
    "type": (
        put("actions", lambda a: a.astype(str)),
        r"actions must be real numbers with 2 axes, got <U\d+ \[17, 2\]",
    ),
    "complex": (put("rewards", lambda a: a + 0j), "rewards must be real numbers with 1 axes"),
    "columns": (
        put("observations", lambda a: a[:, :2]),
        r"transition 0: observations must be real numbers \[17, 3\] .*, got float64 \[17, 2\]",
    ),
    "actions": (
        put("actions", lambda a: a[:, :1]),
        r"transition 0: actions must be real numbers \[17, 2\] .*, got float32 \[17, 1\]",
    ),
    "empty": (
        lambda arrays: arrays.update({name: array[:0] for name, array in arrays.items()}),
        "it is empty",
    ),
    "pickled": (put("rewards", lambda a: a.astype(object)), "cannot be read: Object arrays cannot"),
}


@pytest.mark.parametrize(("change", "message"), BAD_ARRAYS.values(), ids=BAD_ARRAYS)
def test_arrays_that_are_no_data_set_are_refused(tmp_path, change, message):
    arrays = flat(episodes())
    change(arrays)
    with pytest.raises(ValueError, match=rf"data set .*toy\.npz: .*{message}"):
        filled(write_npz(tmp_path / "toy.npz", arrays))


def test_a_minari_episode_is_named_by_its_number(tmp_path):
    made = episodes()
    made[2][1][0, 1] = np.nan
    folder = write_minari(tmp_path / "toy-v0", made)
    message = r"transition 9 \(episode 2, step 0\): actions must be finite float32, got nan"
    with pytest.raises(ValueError, match=message):
        filled(folder)


def rewrite(change):
    def apply(folder):
        import h5py

        with h5py.File(folder / "data" / "main_data.hdf5", "a") as file:
            change(file)

    return apply


def replace(name, values):
    def change(file):
        del file[name]
        if values is not None:
            file[name] = values

    return rewrite(change)


BAD_EPISODES = {
    "empty": (
        replace("episode_1/rewards", np.zeros(0)),
        r"episode 1 must have rewards \[T\] of at least one step, got \[0\]",
    ),
    "short": (
        replace("episode_1/observations", np.zeros((4, 3))),
        r"episode 1 must have observations \[5, S\], one more than rewards, got \[4, 3\]",
    ),
    "missing": (replace("episode_3/actions", None), "an episode cannot be read: .*actions"),
    "columns": (
        replace("episode_0/actions", np.zeros((5, 3))),
        r"transition 0 \(episode 0, step 0\): actions must be real numbers \[5, 2\]",
    ),
    "flags": (
        replace("episode_1/terminations", np.zeros(3)),
        r"transition 5 \(episode 1, step 0\): terminations must be real numbers \[4\]",
    ),
}


@pytest.mark.parametrize(("change", "message"), BAD_EPISODES.values(), ids=BAD_EPISODES)
def test_minari_episodes_that_are_not_whole_are_refused(tmp_path, change, message):
    folder = write_minari(tmp_path / "toy-v0", episodes())
    change(folder)
    with pytest.raises(ValueError, match=rf"data set .*toy-v0: {message}"):
        filled(folder)


@pytest.mark.parametrize(
    ("spaces", "message"),
    [
        (
            {"observation_space": dataset_files.Box(-1, 1, (4,))},
            r"its observations are \[4\], those of Toy/Point-v0 \[3\]",
        ),
        (
            {"action_space": dataset_files.Box(-1, 1, (2,))},
            r"its actions are Box\(-1.0, 1.0, \(2,\), float32\), those of Toy/Point-v0 Box",
        ),
        (
            {"action_space": dataset_files.Box(-1, 1, (1,))},
            r"its actions are Box\(-1.0, 1.0, \(1,\), float32\), those of Toy/Point-v0 Box",
        ),
        (
            {"observation_space": dataset_files.Box(-1, 1, (2, 2))},
            r"observations must be 1-D Box, got Box",
        ),
    ],
)
def test_spaces_that_are_not_the_environment_s_are_refused(tmp_path, spaces, message):
    folder = write_minari(tmp_path / "toy-v0", episodes(), **spaces)
    with pytest.raises(ValueError, match=rf"data set .*toy-v0: {message}"):
        filled(folder)


def test_no_code_is_run_that_a_data_set_names(tmp_path):
    """Not that of an environment in a module, nor one that Minari would make for its spaces."""
    folder = write_minari(tmp_path / "toy-v0", episodes())
    path = folder / "data" / "metadata.json"
    facts = json.loads(path.read_text())
    spec = gymnasium.envs.registration.EnvSpec("evil:Env-v0", entry_point="evil:Env").to_json()
    path.write_text(json.dumps(facts | {"env_spec": spec}))
    data = open_dataset(folder)
    assert data.env is None
    assert data.no_env == "names the environment 'evil:Env-v0', code of a module"
    del facts["action_space"]
    path.write_text(json.dumps(facts | {"env_spec": spec}))
    with pytest.raises(ValueError, match=r"metadata\.json must tell the action_space"):
        filled(folder)


@pytest.mark.parametrize("name", ["toy.hdf5", "toy.npz", "toy-v0/data/main_data.hdf5"])
@pytest.mark.parametrize("kept", [0, 100, 0.5, 0.95])
def test_a_torn_file_is_named(tmp_path, name, kept):
    write_hdf5(tmp_path / "toy.hdf5", flat(episodes([(500, False)])))
    write_npz(tmp_path / "toy.npz", flat(episodes([(500, False)])))
    write_minari(tmp_path / "toy-v0", episodes([(500, False)]))
    content = (tmp_path / name).read_bytes()
    kept = kept if isinstance(kept, int) else int(kept * len(content))
    (tmp_path / name).write_bytes(content[:kept])
    source = tmp_path / name.split("/")[0]
    with pytest.raises(ValueError, match=f"data set {source}: "):
        filled(source, LapReplay(1000, 3, 2))


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("none.hdf5", "there is no such file"),
        ("none.npz", "there is no such file"),
        ("folder", "it is no Minari data set, .hdf5 or .npz file"),
    ],
)
def test_what_is_not_there_is_told(tmp_path, name, message):
    (tmp_path / "folder").mkdir()
    with pytest.raises(ValueError, match=f"data set .*{name}: {message}"):
        open_dataset(tmp_path / name)


def test_a_data_set_that_cannot_be_downloaded_says_how_to_get_it(monkeypatch):
    import minari

    def refused(name):
        raise ConnectionError("no network")

    monkeypatch.setattr(minari, "download_dataset", refused)
    with pytest.raises(ValueError, match=r"nor can it be downloaded \(no network\).*`minari down"):
        open_dataset("mujoco/hopper/none-v0")
    with pytest.raises(ValueError, match="no such folder, and ids of Minari end in -v0"):
        open_dataset("mujoco/hopper/medium")


@pytest.mark.parametrize(
    ("facts", "message"),
    [
        ({"total_episodes": 3}, "its metadata tells of 17 transitions, its episodes have 10"),
        ({"total_steps": 18}, "its metadata tells of 18 transitions, its episodes have 17"),
        ({"total_steps": "x"}, "its metadata must tell total_steps, an integer"),
        ({"data_format": "none"}, "it cannot be read"),
    ],
)
def test_metadata_that_do_not_fit_the_episodes_are_refused(tmp_path, facts, message):
    folder = write_minari(tmp_path / "toy-v0", episodes())
    path = folder / "data" / "metadata.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | facts))
    with pytest.raises(ValueError, match=f"data set .*toy-v0: {message}"):
        filled(folder)


@pytest.mark.parametrize(
    "scores", [(1.0, 1.0), (2.0, 1.0), (True, 3.0), (-1e305, 0.0), (0, 10**400), ("0", 1.0)]
)
def test_scores_that_are_none_are_left_out(tmp_path, scores):
    folder = write_minari(tmp_path / "toy-v0", episodes())
    path = folder / "data" / "metadata.json"
    told = dict(zip(("ref_min_score", "ref_max_score"), scores, strict=True))
    path.write_text(json.dumps(json.loads(path.read_text()) | told))
    assert open_dataset(folder).scores == (None, None)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"max_episode_steps": 7}, "Toy/Point-v0 with max_episode_steps 7 of its own"),
        ({"kwargs": {"end_at": 3}}, "Toy/Point-v0 with kwargs {'end_at': 3} of its own"),
    ],
)
def test_an_environment_with_settings_of_its_own_is_left_out(tmp_path, changes, reason):
    spec = dataclasses.replace(gymnasium.spec("Toy/Point-v0"), **changes)
    data = open_dataset(write_minari(tmp_path / "toy-v0", episodes(), env=spec))
    assert (data.env, data.no_env) == (None, f"names the environment {reason}")


def test_a_minari_data_set_is_found_by_its_id(tmp_path, monkeypatch):
    write_minari(tmp_path / "toy-v0", episodes(), env="Toy/Point-v0")
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path))
    data = open_dataset("toy-v0")
    assert (data.env, data.transitions) == ("Toy/Point-v0", 17)


def test_scores_are_d4rl_s_or_the_data_set_s_own(tmp_path):
    assert reference_scores("Hopper-v5") == reference_scores("Hopper-v2") == (-20.272305, 3234.3)
    assert reference_scores("Toy/Point-v0") == (None, None)
    facts = DatasetFacts("d", 10, 1, None, *reference_scores("HalfCheetah-v5"))
    assert facts.normalized(12135.0) == 100
    assert facts.normalized(-280.178953) == 0
    assert DatasetFacts("d", 10, 1, None, None, None).normalized(1.0) is None
    folder = write_minari(
        tmp_path / "toy-v0", episodes(), env="Toy/Point-v0", ref_min_score=-3.0, ref_max_score=5.0
    )
    _, facts = filled(folder)
    assert (facts.ref_min_score, facts.ref_max_score) == (-3.0, 5.0)


def test_a_replay_that_cannot_hold_the_data_set_is_told(tmp_path, monkeypatch):
    monkeypatch.setattr(d4rl, "BLOCK", 5)
    source = write_npz(tmp_path / "toy.npz", flat(episodes()))
    with pytest.raises(ValueError, match="of its 17 transitions the replay, which holds 16, has"):
        filled(source, LapReplay(16, 3, 2))
