"""A state that was made to harm is refused by file and field, and nothing of it is taken over."""

import dataclasses
import json
import resource
import struct

import numpy as np
import pytest
import torch
from fuzz_readers import make_run
from hostile_safetensors import SAFETENSORS
from safetensors.torch import save
from test_replay_forged import HEADER, MEMBER, SEGMENT, STREAM, xxh64

import td7
from td7.config import RunConfig
from td7.files.manifest import write_manifest
from td7.replay import LapReplay
from td7.run.counter_checks import check_counters
from td7.run.saving import SCHEMA, load_state
from td7.run.state import RunState
from td7.training.report import Report


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run with episodes under way, in the state of its folder, and that folder."""
    folder = tmp_path_factory.mktemp("hostile") / "run"
    return make_run(folder), folder


def sign(folder):
    (folder / "manifest.json").unlink()
    write_manifest(folder, SCHEMA)


@pytest.fixture
def refused(run):
    """Return what altering a file of the state is refused with; the state is then as it was."""
    state_of, folder = run
    state = folder / "state"

    def refuse(name, content):
        whole = (state / name).read_bytes()
        (state / name).write_bytes(content)
        sign(state)
        fresh = RunState(state_of.settings, RunConfig(tensorboard=False, progress="none"))
        try:
            with pytest.raises(ValueError) as error:
                load_state(fresh, folder)
        finally:
            (state / name).write_bytes(whole)
            sign(state)
            fresh.close()
        # nothing of it was taken over
        assert fresh.learners.updates == [0, 0] and fresh.wall_s == 0.0
        assert fresh.replays[0].size() == 0 and not fresh.rollouts.steps.any()
        assert str(state / name) in str(error.value)
        return str(error.value)

    return refuse


def put(where, value):
    """An alteration of counters.json: the value at a path, or none there."""

    def alter(content):
        *path, last = where
        for step in path:
            content = content[step]
        if value is KeyError:
            del content[last]
        else:
            content[last] = value

    return alter


M, SIM = ("members", 0), ("members", 0, "simulations", 0)


@pytest.mark.parametrize(
    ("where", "value", "message"),
    [
        (("updates",), KeyError, "updates is missing"),
        (("more",), 1, "more is unknown"),
        (("updates",), [7], "updates must be a list of 2, got [7]"),
        (("updates", 1), -1, "updates[1] must be an integer from 0 to 1099511627775, got -1"),
        (("updates", 1), True, "updates[1] must be an integer from 0"),
        (("updates", 1), 5.0, "updates[1] must be an integer from 0"),
        (("wall_s",), float("inf"), "Infinity is no JSON"),
        (("wall_s",), "1", "wall_s must be a number from 0 to 1e+12, got '1'"),
        (("metrics_bytes",), -1, "metrics_bytes must be an integer from 0"),
        (("members",), {}, "members must be a list of 2, got {}"),
        ((*M,), [], "members[0] must be an object, got []"),
        ((*M, "debt"), KeyError, "members[0].debt is missing"),
        ((*M, "debt"), -3, "members[0].debt must be an integer from 0 to 400, got -3"),
        ((*M, "debt"), 2**62, "members[0].debt must be an integer from 0 to 400"),
        ((*M, "debt"), 399, "members[0].debt must be at most"),
        ((*M, "learning"), 0, "members[0].learning must be true or false, got 0"),
        ((*M, "evaluated"), 401, "members[0].evaluated must be an integer from -1 to 400"),
        ((*M, "wave"), [1], "members[0].wave must be simulations in order from 0, got [1]"),
        ((*M, "wave"), [0, 0, 0], "members[0].wave must be a list of 0 to 2, got [0, 0, 0]"),
        ((*M, "recent_episodes"), [[1.0, 0]], "members[0].recent_episodes[0][1] must be an int"),
        ((*M, "recent_episodes"), [[1.0]], "members[0].recent_episodes[0] must be a list of 2"),
        ((*M, "update_metrics"), {"event": [1, 1]}, "a name in members[0].update_metrics must be"),
        (
            (*M, "update_metrics", "train/q_max"),
            [1e39, 1],
            "members[0].update_metrics.train/q_max[0] must be a number from -3.40282e+38",
        ),
        (
            (*M, "update_metrics", "train/q_max"),
            [1, 0],
            "members[0].update_metrics.train/q_max[1] must be a count from 1",
        ),
        ((*M, "rule", "reset_weight"), 0.5, "members[0].rule.reset_weight must be 0.9, got 0.5"),
        ((*M, "rule", "min_return"), "nan", "members[0].rule.min_return must be a number"),
        ((*M, "rule", "max_episodes"), 9, "members[0].rule.max_episodes must be 2, got 9"),
        ((*M, "simulations"), [], "members[0].simulations must be a list of 2, got []"),
        ((*M, "evaluation"), [], "members[0].evaluation must be a list of 2, got []"),
        ((*SIM, "steps"), 2**40, "members[0].simulations[0].steps must be an integer from 0"),
        ((*SIM, "steps"), 390, "members[0].simulations must be of at most 400 steps, got"),
        ((*SIM, "seen"), "../x", "members[0].simulations[0].seen must be a digest of 32"),
        ((*SIM, "generator"), 5, "members[0].simulations[0].generator must be an object, got 5"),
        (
            (*SIM, "generator", "state", "inc"),
            2**128,
            "members[0].simulations[0].generator.state.inc must be an integer from 0",
        ),
    ],
)
def test_a_field_of_the_counters_is_refused_by_its_path(where, value, message, run, refused):
    content = json.loads((run[1] / "state" / "counters.json").read_text())
    put(where, value)(content)
    assert message in refused("counters.json", json.dumps(content).encode())


def test_numbers_that_json_makes_infinite_are_refused(run, refused):
    text = (run[1] / "state" / "counters.json").read_text()
    altered = text.replace('"wall_s": 1.5', '"wall_s": 1e999')
    assert altered != text
    assert "wall_s must be a number from 0" in refused("counters.json", altered.encode())


def test_counters_that_would_leave_the_loop_without_work_are_refused(run, refused):
    """All episodes of the assessment, and nothing owed: no episode and no update would be made."""
    content = json.loads((run[1] / "state" / "counters.json").read_text())
    member = content["members"][0]
    member["debt"], member["rule"]["episodes"] = 0, 2
    message = refused("counters.json", json.dumps(content).encode())
    assert "members[0].rule.episodes must be an integer from 0 to 1, got 2" in message


@pytest.mark.parametrize("generator", [None, {}])
def test_simulations_in_cpp_want_a_generator(generator, run):
    content = json.loads((run[1] / "state" / "counters.json").read_text())
    del content["schema"]
    seeded = content["members"][0]["simulations"][0]["generator"]
    for member in content["members"]:
        for state in member["simulations"] + member["evaluation"]:
            state["generator"] = seeded
    check_counters(content, run[0].settings, native=True)
    content["members"][1]["simulations"][0]["generator"] = generator
    check_counters(content, run[0].settings, native=False)
    wanted = r"members\[1\]\.simulations\[0\]\.generator"
    with pytest.raises(ValueError, match=wanted):
        check_counters(content, run[0].settings, native=True)


def test_a_debt_to_an_empty_replay_is_refused(run, tmp_path):
    state_of, folder = run
    whole = (folder / "state" / "replay-0.bin").read_bytes()
    config = state_of.settings.config
    LapReplay(
        config.buffer_capacity, 3, 2, seeds=(3, 4), streams=config.num_envs, alpha=config.lap_alpha
    ).save(tmp_path / "empty")
    (folder / "state" / "replay-0.bin").write_bytes((tmp_path / "empty").read_bytes())
    sign(folder / "state")
    fresh = RunState(state_of.settings, RunConfig(tensorboard=False, progress="none"))
    try:
        with pytest.raises(ValueError, match=r"counters.json: members\[0\].debt must be 0 where"):
            load_state(fresh, folder)
    finally:
        (folder / "state" / "replay-0.bin").write_bytes(whole)
        sign(folder / "state")
        fresh.close()


def test_an_error_behind_a_burst_leaves_a_state_that_goes_on(small_config, quiet, monkeypatch):
    """The report of a round fails: the assessment that was paid for is over all the same."""
    options = {"total_steps": 400, "config": small_config()}

    def full(self, member):
        raise OSError("no space left")

    with monkeypatch.context() as patched:
        patched.setattr(Report, "round", full)
        with pytest.raises(OSError, match="no space left"):
            td7.train("Toy/Point-v0", run=quiet(), **options)
    assert td7.resume(quiet().out, run=quiet()).finished


ONE = np.zeros((3, 2), np.float32)


@pytest.mark.parametrize(
    ("name", "actions", "message"),
    [
        ("2.0", ONE, "2.0 is unknown"),
        ("../x", ONE, "../x is unknown"),
        ("0.0", ONE.astype(np.float64), "0.0 must be float32 [T, 2], got float64 [3, 2]"),
        ("0.0", ONE[:, :1], "0.0 must be float32 [T, 2], got float32 [3, 1]"),
        ("0.0", ONE[0], "0.0 must be float32 [T, 2], got float32 [2]"),
        ("0.0", np.zeros((200, 2), np.float32), "0.0 must be of 0 to"),
        ("0.0", ONE + np.float32(np.nan), "0.0 must be in [-1, 1]"),
        ("0.0", ONE + np.float32(1.5), "0.0 must be in [-1, 1]"),
    ],
)
def test_actions_of_other_episodes_are_refused(name, actions, message, refused):
    tensors = {name: torch.from_numpy(np.ascontiguousarray(actions))}
    assert message in refused("episodes.safetensors", save(tensors))


@pytest.mark.parametrize("kind", SAFETENSORS)
@pytest.mark.parametrize("name", ["learner.safetensors", "episodes.safetensors"])
def test_a_hostile_safetensors_file_is_refused(kind, name, refused):
    assert "does not parse" in refused(name, SAFETENSORS[kind])


@pytest.mark.parametrize("name", ["learner.safetensors", "episodes.safetensors"])
def test_a_file_larger_than_what_is_there_to_say_is_refused_unread(name, refused):
    assert "must be of at most" in refused(name, save({"a": torch.zeros(2**20)}))


def test_settings_of_another_kind_of_run_do_not_pass_the_counters(run):
    """Counters belong to a configuration: one with another number of environments refuses them."""
    state_of, folder = run
    config = dataclasses.replace(state_of.settings.config, num_envs=3)
    other = RunState(
        dataclasses.replace(state_of.settings, config=config),
        RunConfig(tensorboard=False, progress="none"),
    )
    with pytest.raises(ValueError, match=r"members\[0\].simulations must be a list of 3, got \["):
        load_state(other, folder)
    other.close()


def test_a_claim_of_rows_takes_no_room_on_the_disk(tmp_path):
    """A small file claims 700 segments, 700 MB: their room is taken once their rows are there."""
    sizes = {"capacity": 100_000, "obs_size": 1000, "action_size": 1}
    (tmp_path / "rows").mkdir()
    replay = LapReplay(**sizes, scratch_dir=tmp_path / "rows")
    replay.save(tmp_path / "empty")
    content = (tmp_path / "empty").read_bytes()
    member = np.frombuffer(content, MEMBER, 1, HEADER.itemsize).copy()
    member["segments"] = member["free"] = 700
    streams = content[HEADER.itemsize + MEMBER.itemsize :][: STREAM.itemsize]
    lists = bytes(700 * SEGMENT.itemsize) + np.arange(700, dtype=np.uint32).tobytes()
    body = bytearray(content[: HEADER.itemsize] + member.tobytes() + streams + lists)
    body[8:16] = struct.pack("<Q", len(body) + 8)
    (tmp_path / "forged").write_bytes(bytes(body) + struct.pack("<Q", xxh64(bytes(body))))
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2**28, limits[1]))  # more would be an OSError
    try:
        with pytest.raises(ValueError, match="forged is torn or altered"):
            replay.load(tmp_path / "forged")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
