"""The replay on a device and the one in C++ are equal, to the bit, after any operations."""

import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule
from replay_twin import pick, prefix_sums

from td7.replay import DeviceLapReplay, LapReplay, TensorBatch, device_tree

S, A = 3, 2
SEEDS = (2**64 - 1, 7, 3)
FIELDS = ("obs", "action", "reward", "next_obs", "not_terminated", "index")


def pair(*arguments, **options):
    """The replay in host memory and its twin on the CPU as a device."""
    return LapReplay(*arguments, **options), DeviceLapReplay(*arguments, **options, device="cpu")


def files(folder, *replays):
    """What each of them saves."""
    paths = [Path(folder) / f"{i}.bin" for i in range(len(replays))]
    for replay, path in zip(replays, paths, strict=True):
        replay.save(path)
    return [path.read_bytes() for path in paths]


def same_state(host, device):
    """Everything that is saved is equal: rows, priorities, slots, counters."""
    with tempfile.TemporaryDirectory() as folder:
        ours, theirs = files(folder, host, device)
    assert ours == theirs


def same_draws(host, device, batch, **options):
    """Draws and compares one batch of each; returns both."""
    ours, theirs = host.sample(batch, **options), device.sample(batch, **options)
    for name in (*FIELDS, *(["probability"] if options.get("probability") else [])):
        np.testing.assert_array_equal(getattr(theirs, name).numpy(), getattr(ours, name), name)
    return ours, theirs


def episode(rng, steps):
    """Random arrays of an episode."""
    return (
        rng.standard_normal((steps + 1, S)).astype(np.float32),
        rng.standard_normal((steps, A)).astype(np.float32),
        rng.standard_normal(steps).astype(np.float32),
        bool(rng.random() < 0.5),
    )


class Machine(RuleBasedStateMachine):
    """Three members under random operations."""

    @initialize(
        capacity=st.sampled_from([1, 2, 5, 16, 40, 70, 200, 1500]),
        streams=st.integers(1, 3),
        alpha=st.sampled_from([0.0, 0.4, 1.0]),
        seed=st.integers(0, 2**32 - 1),
    )
    def start(self, capacity, streams, alpha, seed):
        self.arguments = (capacity, S, A)
        self.options = {"seeds": SEEDS, "streams": streams, "alpha": alpha}
        self.both = pair(*self.arguments, **self.options)
        self.last = {}  # (member, stream) -> the last next_obs
        self.late = []  # members and batches of both, to be updated later
        self.rng = np.random.default_rng(seed)

    @rule(
        member=st.integers(0, 2),
        stream=st.integers(0, 2),
        steps=st.integers(1, 30),
        goes_on=st.booleans(),
        end=st.sampled_from(["terminated", "truncated", "open", "each"]),
    )
    def add(self, member, stream, steps, goes_on, end):
        stream %= self.options["streams"]
        obs, action, reward, _ = episode(self.rng, steps)
        if goes_on and (member, stream) in self.last:
            obs[0] = self.last[member, stream]
        for t in range(steps):
            ends = end == "each" or (end == "terminated" and t + 1 == steps)
            row = (obs[t], action[t], float(reward[t]), obs[t + 1], ends)
            for replay in self.both:
                truncated = end == "truncated" and t + 1 == steps
                replay.add(*row, truncated, member=member, stream=stream)
        self.last[member, stream] = obs[steps]

    @rule(member=st.integers(0, 2), stream=st.integers(0, 2), steps=st.integers(1, 600))
    def add_episode(self, member, stream, steps):
        stream %= self.options["streams"]
        rows = episode(self.rng, min(steps, self.arguments[0]))
        for replay in self.both:
            replay.add_episode(*rows, member=member, stream=stream)

    @rule(
        member=st.integers(0, 2),
        first=st.integers(0, 2),
        goes_on=st.booleans(),
        flags=st.lists(st.booleans(), min_size=6, max_size=6),
    )
    def add_rows(self, member, first, goes_on, flags):
        first %= self.options["streams"]
        n = min(self.options["streams"] - first, self.arguments[0])
        obs, action, reward, _ = episode(self.rng, 2 * n)
        obs, action, reward, next_obs = obs[:n], action[:n], reward[:n], obs[n : 2 * n]
        for i in range(n):
            if goes_on and (member, first + i) in self.last:
                obs[i] = self.last[member, first + i]
            self.last[member, first + i] = next_obs[i]
        ends, cut = np.array(flags[:n]), np.array(flags[3 : 3 + n])
        for replay in self.both:
            replay.add(obs, action, reward, next_obs, ends, cut, member=member, stream=first)

    @rule(members=st.sampled_from([None, [1], [2, 0]]))
    def clear(self, members):
        for replay in self.both:
            replay.clear(members)

    @rule(member=st.integers(0, 2), stream=st.integers(0, 2))
    def end_episode(self, member, stream):
        for replay in self.both:
            replay.end_episode(member=member, stream=stream % self.options["streams"])

    @precondition(lambda self: any(self.both[0].size(m) for m in range(3)))
    @rule(
        members=st.sampled_from([(0,), (2,), (0, 1), (2, 0), (0, 1, 2)]),
        batch=st.integers(1, 40),
        probability=st.booleans(),
    )
    def sample_and_update(self, members, batch, probability):
        members = [m for m in members if self.both[0].size(m)]
        if not members:
            return
        ours, theirs = same_draws(*self.both, batch, members=members, probability=probability)
        error = np.exp2(self.rng.uniform(-3, 10, ours.index.shape)).astype(np.float32)
        self.both[0].update_priorities(ours.index, error, members=members)
        self.both[1].update_priorities(theirs.index, torch.from_numpy(error), members=members)

    @precondition(lambda self: any(self.both[0].size(m) for m in range(3)))
    @rule(batch=st.integers(1, 40))
    def sample_for_later(self, batch):
        members = [m for m in range(3) if self.both[0].size(m)]
        self.late.append((members, *same_draws(*self.both, batch, members=members)))

    @precondition(lambda self: self.late)
    @rule(data=st.data())
    def update_late(self, data):
        members, ours, theirs = data.draw(st.sampled_from(self.late))
        np.testing.assert_array_equal(theirs.drawn_at.numpy(), ours.drawn_at)
        error = np.exp2(self.rng.uniform(-3, 10, ours.index.shape)).astype(np.float32)
        gone = self.both[0].update_priorities(
            ours.index, error, members=members, drawn_at=ours.drawn_at
        )
        assert gone == self.both[1].update_priorities(
            theirs.index, torch.from_numpy(error), members=members, drawn_at=theirs.drawn_at
        )

    @rule(members=st.sampled_from([None, [1], [2, 0]]))
    def reset_max_priority(self, members):
        for replay in self.both:
            replay.reset_max_priority(members)

    @rule(fresh=st.booleans())
    def save_each_and_load_the_other(self, fresh):
        with tempfile.TemporaryDirectory() as folder:
            ours, theirs = files(folder, *self.both)
            assert ours == theirs
            if fresh:
                self.both = pair(*self.arguments, **self.options)
                self.late = []  # from other replays
            self.both[0].load(Path(folder) / "1.bin")
            self.both[1].load(Path(folder) / "0.bin")

    def teardown(self):
        if not hasattr(self, "both"):
            return
        same_state(*self.both)
        host, device = self.both
        device.raise_if_bad()
        for member in range(3):
            assert host.size(member) == device.size(member)
            assert host.max_priority(member) == device.max_priority(member)
            assert host.draw_counter(member) == device.draw_counter(member)


TestSequences = Machine.TestCase
TestSequences.settings = settings(
    max_examples=60,
    stateful_step_count=25,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)


def fill(rng, replays, steps, **where):
    """Adds one episode to each."""
    rows = episode(rng, steps)
    for replay in replays:
        replay.add_episode(*rows, **where)


def update(rng, both, drawn, **options):
    """Gives the drawn transitions new priorities."""
    ours, theirs = drawn
    error = np.exp2(rng.uniform(-3, 10, ours.index.shape)).astype(np.float32)
    both[0].update_priorities(ours.index, error, **options)
    both[1].update_priorities(theirs.index, torch.from_numpy(error), **options)


def test_draws_are_equal_while_the_tree_grows():
    both, rng = pair(70_000, S, A, seeds=(5,)), np.random.default_rng(0)
    seen = {}
    for steps in (3, 12, 1, 1, 200, 40, 3000, 900, 62_000, 1000):
        fill(rng, both, steps)
        seen[both[1].levels] = both[1].generation
        update(rng, both, same_draws(*both, 50, probability=True))
    assert sorted(seen) == [1, 2, 3, 4, 5]
    assert len(set(seen.values())) == 5  # a graph captured below must not draw any more
    same_state(*both)


def test_a_state_loaded_into_a_new_replay_draws_at_once(tmp_path):
    for rows in (10, 200, 5000, 70_000):
        host, rng = LapReplay(70_000, S, A, seeds=(5, 6)), np.random.default_rng(rows)
        fill(rng, [host], rows)
        fill(rng, [host], 7, member=1)
        batch = host.sample(500)
        host.update_priorities(batch.index, np.abs(batch.obs[..., 0]) * 9)
        host.save(tmp_path / "saved")
        device = DeviceLapReplay(70_000, S, A, seeds=(5, 6))
        device.load(tmp_path / "saved")
        same_draws(host, device, 300, probability=True)


def test_global_defaults_of_torch_do_not_reach_the_replay(tmp_path):
    torch.set_default_dtype(torch.float64)
    try:
        both, rng = pair(100, S, A), np.random.default_rng(0)
        fill(rng, both, 90)
        update(rng, both, same_draws(*both, 20))
        both[1].save(tmp_path / "saved")
        assert TensorBatch(1, 2, S, A).obs.dtype == torch.float32
    finally:
        torch.set_default_dtype(torch.float32)
    same_state(*both)


def test_members_with_trees_of_different_heights_draw_as_if_alone():
    options = {"seeds": (5, 6, 7), "alpha": 0.7}
    both, rng = pair(6000, S, A, **options), np.random.default_rng(1)
    for member, steps in enumerate((10, 5000, 300)):
        fill(rng, both, steps, member=member)
    assert both[1].levels == 4
    for members in (None, [2, 0], [0], [1, 2]):
        options = {"members": members}
        update(rng, both, same_draws(*both, 64, probability=True, **options), **options)
    same_state(*both)


def test_rows_grow_as_short_episodes_take_more_slots_than_long_ones():
    both, rng = pair(600, S, A, streams=2), np.random.default_rng(2)
    device = both[1]
    fill(rng, both, 600)
    held, generation = device.nbytes, device.generation
    for _ in range(5):
        fill(rng, both, 600)
    assert device.nbytes == held
    assert device.generation == generation
    for number in range(1500):
        fill(rng, both, 1, stream=number % 2)
    assert held + 600 * 4 * (S + A + 2) / 2 < device.nbytes < 2 * held
    assert device.generation > generation
    drawn = same_draws(*both, 500)
    update(rng, both, drawn)
    same_state(*both)


def test_uniforms_made_in_advance_are_those_of_the_samples():
    both, rng = pair(500, S, A, seeds=(1, 2)), np.random.default_rng(3)
    for member, steps in enumerate((400, 20)):
        fill(rng, both, steps, member=member)
    host, device = both
    ahead = device.uniforms(9, members=[1, 0], calls=3)
    assert tuple(ahead.shape) == (3, 2, 3, 9)
    assert [device.draw_counter(member) for member in range(2)] == [3, 3]
    for uniforms in ahead:
        ours = host.sample(9, members=[1, 0])
        theirs = device.sample(9, members=[1, 0], uniforms=uniforms)
        np.testing.assert_array_equal(theirs.index.numpy(), ours.index)
    for counter in (0, 2**63, 2**64 - 1):
        for replay in both:
            replay.set_draw_counter(counter, member=1)
        same_draws(*both, 9)


def test_a_node_is_drawn_from_as_the_slow_twin_does():
    """Weights far apart, so that sums round in every way; every boundary and its neighbours."""
    rng = np.random.default_rng(4)
    nodes = np.exp2(rng.uniform(-90, 90, (300, 16))).astype(np.float32)
    nodes[rng.random(nodes.shape) < 0.4] = 0
    nodes[np.arange(300), np.arange(300) % 16] = 1
    uniforms = np.empty((300, 50))
    for node, edges in zip(nodes, uniforms, strict=True):
        at = np.array(prefix_sums(node)) / prefix_sums(node)[15]
        edges[:] = [0, 1 - 2.0**-53, *np.nextafter(at, 0), *at, *np.nextafter(at, 2)]
    uniforms = np.minimum(uniforms, 1 - 2.0**-53)
    levels = [torch.from_numpy(nodes)[:, None]]
    members = torch.arange(300)[:, None]
    drawn = device_tree.draw(levels, members, torch.from_numpy(uniforms)[:, None])
    wanted = [[pick(n, u) for u in row] for n, row in zip(nodes, uniforms, strict=True)]
    np.testing.assert_array_equal(drawn.numpy(), wanted)
    np.testing.assert_array_equal(
        device_tree.prefix_sums(torch.from_numpy(nodes)).numpy(), [prefix_sums(n) for n in nodes]
    )


@pytest.mark.parametrize("alpha", [0.0, 0.4, 0.5, 0.9, 1.0])
def test_priorities_are_the_hosts_to_the_last_bit_of_the_power(alpha):
    both, rng = pair(50_000, S, A, alpha=alpha, min_priority=0.7), np.random.default_rng(5)
    fill(rng, both, 50_000)
    index = np.array([np.flatnonzero(np.arange(50_100) % 256 != 255)[:2000]])
    error = np.exp2(rng.uniform(-3, 60, index.shape)).astype(np.float32)
    error[0, :4] = 0, 0.7, np.nextafter(np.float32(0.7), 2), 1
    both[0].update_priorities(index, error)
    both[1].update_priorities(torch.from_numpy(index), torch.from_numpy(error))
    both[1].raise_if_bad()
    ours, theirs = (np.array([r.priority(i) for i in index[0].tolist()], "f4") for r in both)
    np.testing.assert_array_max_ulp(theirs, ours, maxulp=1)
    floor = error[0] <= np.float32(0.7)
    np.testing.assert_array_equal(theirs[floor], ours[floor])


def test_a_loaded_state_is_put_where_the_old_one_was(tmp_path):
    both, rng = pair(400, S, A, seeds=(1, 2)), np.random.default_rng(6)
    host, device = both
    fill(rng, both, 300, member=1)
    same_draws(*both, 5, members=[1])
    host.save(tmp_path / "one")
    for _ in range(3):
        fill(rng, both, 300, member=0)
    generation = device.generation
    device.load(tmp_path / "one")
    assert device.generation == generation
    assert [device.size(member) for member in range(2)] == [0, 300]
    host.load(tmp_path / "one")
    same_state(*both)
    update(rng, both, same_draws(*both, 50, members=[1], probability=True), members=[1])
    fill(rng, both, 20, member=0)  # nothing of the old state shows
    update(rng, both, same_draws(*both, 50))
    same_state(*both)


def test_an_altered_file_is_refused_and_changes_nothing(tmp_path):
    both = pair(100, S, A)
    fill(np.random.default_rng(7), both, 80)
    both[1].save(tmp_path / "good")
    data = bytearray((tmp_path / "good").read_bytes())
    data[200] ^= 1
    (tmp_path / "bad").write_bytes(data)
    with pytest.raises(ValueError, match=r"replay file .*bad "):
        both[1].load(tmp_path / "bad")
    with pytest.raises(FileNotFoundError, match=r"cannot read .*none"):
        both[1].load(tmp_path / "none")
    same_state(*both)
    same_draws(*both, 50)


def test_a_replay_in_host_memory_does_without_torch():
    code = "import sys, td7.replay; td7.replay.LapReplay(8, 1, 1); print('torch' in sys.modules)"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "False"
