"""Every instruction set that the machine has draws, sums and raises to the same bits."""

import re

import numpy as np
import pytest

from td7.extension import core
from td7.replay import LapReplay


@pytest.fixture
def restored():
    yield
    core.set_instruction_set(core.instruction_sets()[0])


def history(name, path):
    """Everything that a run of 300 updates with overwriting leaves, under one instruction set."""
    core.set_instruction_set(name)
    rng = np.random.default_rng(0)
    replay = LapReplay(20_000, 5, 2, seeds=(1, 2), alpha=0.7)
    drawn = []
    for i in range(300):
        steps = int(rng.integers(1, 400))
        for member in range(2):
            rows = [rng.standard_normal((steps + 1, 5)), rng.uniform(-1, 1, (steps, 2))]
            rows = [*(r.astype(np.float32) for r in rows), np.arange(steps, dtype=np.float32)]
            replay.add_episode(*rows, i % 2 == 0, member=member)
        batch = replay.sample(1 + 7 * i % 600, probability=True)
        error = np.exp2(rng.uniform(-9, 30, batch.index.shape)).astype(np.float32)
        replay.update_priorities(batch.index, error)
        drawn += [batch.index, batch.obs, batch.probability]
    replay.save(path)
    return b"".join(array.tobytes() for array in drawn), path.read_bytes()


def test_a_history_leaves_the_same_bits_under_every_set(tmp_path, restored):
    names = core.instruction_sets()
    first = history(names[0], tmp_path / "first")
    for name in names[1:]:
        assert history(name, tmp_path / name) == first, name


def test_the_fastest_set_is_in_use_and_plain_is_always_there():
    assert core.instruction_set() == core.instruction_sets()[0]
    assert core.instruction_sets()[-1] == "plain"


def test_an_unknown_set_is_refused_by_name(restored):
    wanted = ", ".join(reversed(core.instruction_sets()))
    text = f"instruction set must be one of {wanted} on this machine, got amx"
    with pytest.raises(ValueError, match=re.escape(text)):
        core.set_instruction_set("amx")
