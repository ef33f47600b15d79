"""After any sequence of operations the C++ replay and its slow twin are equal, to the bit."""

import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from replay_twin import Twin

from td7.extension import core
from td7.replay import LapReplay

S, A = 3, 2
SEEDS = (2**64 - 1, 7)


class Machine(RuleBasedStateMachine):
    """Two members under random operations; observations are running numbers."""

    @initialize(
        capacity=st.sampled_from([1, 2, 5, 16, 40, 70, 200]),
        streams=st.integers(1, 3),
        alpha=st.sampled_from([0.0, 0.4, 1.0]),
    )
    def start(self, capacity, streams, alpha):
        self.arguments = (capacity, S, A)
        self.options = {"seeds": SEEDS, "streams": streams, "alpha": alpha}
        self.replay = LapReplay(*self.arguments, **self.options)
        self.twins = [Twin(capacity, seed=s, streams=streams, alpha=alpha) for s in SEEDS]
        self.last = {}  # (member, stream) -> the last next_obs
        self.number = 0
        self.late = []  # members, batch and its steps, to be updated later

    def numbers(self, *shape):
        size = int(np.prod(shape))
        self.number += size
        first = self.number - size
        return np.arange(first, self.number, dtype=np.float32).reshape(shape)

    @rule(
        member=st.integers(0, 1),
        stream=st.integers(0, 2),
        steps=st.integers(1, 30),
        goes_on=st.booleans(),
        end=st.sampled_from(["terminated", "truncated", "open"]),
    )
    def add(self, member, stream, steps, goes_on, end):
        stream %= self.options["streams"]
        obs = self.last.get((member, stream)) if goes_on else None
        obs = self.numbers(S) if obs is None else obs
        for t in range(steps):
            action, reward, next_obs = self.numbers(A), self.numbers(1)[0], self.numbers(S)
            ends = [end == kind and t + 1 == steps for kind in ("terminated", "truncated")]
            row = (obs, action, reward, next_obs, *ends)
            self.replay.add(*row, member=member, stream=stream)
            self.twins[member].add(stream, *row)
            obs = next_obs
        self.last[member, stream] = obs

    @rule(
        member=st.integers(0, 1),
        stream=st.integers(0, 2),
        steps=st.integers(1, 60),
        terminated=st.booleans(),
    )
    def add_episode(self, member, stream, steps, terminated):
        stream %= self.options["streams"]
        steps = min(steps, self.arguments[0])
        row = (self.numbers(steps + 1, S), self.numbers(steps, A), self.numbers(steps), terminated)
        self.replay.add_episode(*row, member=member, stream=stream)
        self.twins[member].add_episode(stream, *row)

    @rule(
        member=st.integers(0, 1),
        stream=st.integers(0, 2),
        goes_on=st.booleans(),
        links=st.lists(st.sampled_from(["on", "jump", "terminated", "truncated"]), max_size=40),
    )
    def add_transitions(self, member, stream, goes_on, links):
        stream %= self.options["streams"]
        links = [*links, "on"][: self.arguments[0]]
        obs = self.last.get((member, stream)) if goes_on else None
        obs, rows = self.numbers(S) if obs is None else obs, []
        for link in links:
            next_obs = self.numbers(S)
            ends = link == "terminated", link == "truncated"
            rows.append((obs, self.numbers(A), self.numbers(1)[0], next_obs, *ends))
            obs = self.numbers(S) if link == "jump" else next_obs
        self.last[member, stream] = rows[-1][3]
        columns = [np.array(column) for column in zip(*rows, strict=True)]
        self.replay.add_transitions(*columns, member=member, stream=stream)
        self.twins[member].add_transitions(stream, rows)

    @rule(
        member=st.integers(0, 1),
        first=st.integers(0, 2),
        goes_on=st.lists(st.booleans(), min_size=3, max_size=3),
        ends=st.lists(st.sampled_from([(0, 0), (1, 0), (0, 1)]), min_size=3, max_size=3),
    )
    def add_rows(self, member, first, goes_on, ends):
        first %= self.options["streams"]
        rows = []
        for stream in range(first, min(self.options["streams"], first + self.arguments[0])):
            obs = self.last.get((member, stream)) if goes_on[stream] else None
            obs = self.numbers(S) if obs is None else obs
            row = (obs, self.numbers(A), self.numbers(1)[0], self.numbers(S))
            rows.append((*row, *map(bool, ends[stream])))
            self.last[member, stream] = row[3]
        columns = [np.array(column) for column in zip(*rows, strict=True)]
        self.replay.add(*columns, member=member, stream=first)
        self.twins[member].add_rows(first, rows)

    @rule(member=st.integers(0, 1))
    def clear(self, member):
        self.replay.clear([member])
        self.twins[member].clear()

    @rule(member=st.integers(0, 1), stream=st.integers(0, 2))
    def end_episode(self, member, stream):
        stream %= self.options["streams"]
        self.replay.end_episode(member=member, stream=stream)
        self.twins[member].end_episode(stream)

    def chosen(self, members):
        return [m for m in members if self.twins[m].priority]

    @precondition(lambda self: any(twin.priority for twin in self.twins))
    @rule(
        members=st.sampled_from([(0,), (1,), (0, 1), (1, 0)]),
        batch=st.integers(1, 12),
        seed=st.integers(0, 2**32 - 1),
    )
    def sample_and_update(self, members, batch, seed):
        members = self.chosen(members)
        drawn = self.replay.sample(batch, members=members, probability=True)
        error = np.exp2(np.random.default_rng(seed).uniform(-3, 10, (len(members), batch)))
        error = error.astype(np.float32)
        for i, member in enumerate(members):
            self.check_rows(self.twins[member], drawn, i)
            self.twins[member].update_priorities(drawn.index[i], error[i])
        self.replay.update_priorities(drawn.index, error, members=members)

    @precondition(lambda self: any(twin.priority for twin in self.twins))
    @rule(members=st.sampled_from([(0,), (1,), (0, 1), (1, 0)]), batch=st.integers(1, 12))
    def sample_for_later(self, members, batch):
        members = self.chosen(members)
        drawn = self.replay.sample(batch, members=members)
        steps = []
        for i, member in enumerate(members):
            np.testing.assert_array_equal(drawn.index[i], self.twins[member].sample(batch))
            steps.append([self.twins[member].step[slot] for slot in drawn.index[i]])
        self.late.append((members, drawn, steps))

    @precondition(lambda self: self.late)
    @rule(data=st.data(), seed=st.integers(0, 2**32 - 1))
    def update_late(self, data, seed):
        members, drawn, steps = data.draw(st.sampled_from(self.late))
        error = np.exp2(np.random.default_rng(seed).uniform(-3, 10, drawn.index.shape))
        error = error.astype(np.float32)
        gone = sum(
            self.twins[member].update_late(drawn.index[i], steps[i], error[i])
            for i, member in enumerate(members)
        )
        assert gone == self.replay.update_priorities(
            drawn.index, error, members=members, drawn_at=drawn.drawn_at
        )

    def check_rows(self, twin, drawn, i):
        total = float(np.sum(list(twin.priority.values()), dtype=np.float64))
        np.testing.assert_array_equal(drawn.index[i], twin.sample(drawn.index.shape[1]))
        for b, slot in enumerate(drawn.index[i]):
            action, reward, not_terminated = twin.step[slot]
            np.testing.assert_array_equal(drawn.obs[i, b], twin.obs[slot])
            np.testing.assert_array_equal(drawn.next_obs[i, b], twin.obs[slot + 1])
            np.testing.assert_array_equal(drawn.action[i, b], action)
            assert (drawn.reward[i, b], drawn.not_terminated[i, b]) == (reward, not_terminated)
            assert drawn.probability[i, b] == pytest.approx(twin.priority[slot] / total, rel=1e-6)

    @rule(member=st.integers(0, 1))
    def reset_max_priority(self, member):
        self.replay.reset_max_priority([member])
        self.twins[member].reset_max_priority()

    @rule(name=st.sampled_from(core.instruction_sets()))
    def change_the_instruction_set(self, name):
        core.set_instruction_set(name)

    def teardown(self):
        core.set_instruction_set(core.instruction_sets()[0])

    @rule()
    def save_and_load(self):
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "replay.bin"
            self.replay.save(path)
            self.replay = LapReplay(*self.arguments, **self.options)
            self.replay.load(path)
        self.late = []  # from another replay

    @invariant()
    def same_transitions_and_priorities(self):
        for member, twin in enumerate(getattr(self, "twins", [])):
            assert self.replay.size(member) == len(twin.priority)
            assert self.replay.max_priority(member) == twin.max_priority
            assert self.replay.draw_counter(member) == twin.draws
            for slot in range(twin.used):
                if slot in twin.priority:
                    assert self.replay.priority(slot, member) == twin.priority[slot]
                else:
                    with pytest.raises(IndexError, match="holds no transition"):
                        self.replay.priority(slot, member)


TestSequences = Machine.TestCase
TestSequences.settings = settings(
    max_examples=60,
    stateful_step_count=25,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)


def test_many_segments_with_several_streams_follow_the_twin():
    capacity, streams = 500, 4
    replay = LapReplay(capacity, S, A, seeds=(3,), streams=streams)
    twin = Twin(capacity, seed=3, streams=streams)
    rng = np.random.default_rng(0)
    obs = [np.full(S, -1.0 - s, np.float32) for s in range(streams)]
    for i in range(6000):
        # stream 0 is the slowest by far, so that its open segment is emptied by eviction
        stream = int(rng.choice(streams, p=(0.01, 0.19, 0.4, 0.4)))
        next_obs = np.full(S, i, np.float32)
        end = bool(rng.random() < 0.05)
        row = (obs[stream], np.full(A, i, np.float32), float(i), next_obs, end, False)
        replay.add(*row, stream=stream)
        twin.add(stream, *row)
        obs[stream] = next_obs
        if i % 400 == 399:
            batch = replay.sample(40)
            np.testing.assert_array_equal(batch.index[0], twin.sample(40))
            error = np.exp2(rng.uniform(-3, 10, 40)).astype(np.float32)
            replay.update_priorities(batch.index, error[None])
            twin.update_priorities(batch.index[0], error)
    assert replay.size() == capacity
    for slot, priority in twin.priority.items():
        assert replay.priority(slot) == priority
