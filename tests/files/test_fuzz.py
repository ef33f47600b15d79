"""Altered files are read or refused by name: a first few thousand of them; `make fuzz` has more."""

import pytest
from fuzz import feed
from fuzz_readers import Reader, make_readers

NAMES = (
    "counters",
    "counters.json",
    "episodes.safetensors",
    "learner.safetensors",
    "state",
    "manifest.json",
    "policy",
    "bundle",
    "config.json",
    "metrics.jsonl",
    "hdf5",
    "npz",
)


@pytest.fixture(scope="module")
def readers(tmp_path_factory):
    made = make_readers(tmp_path_factory.mktemp("fuzz"))
    assert sum(reader.share for reader in made) == 100
    return {reader.name: reader for reader in made}


def test_every_reader_is_fed(readers):
    assert tuple(readers) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_a_reader_reads_or_refuses_by_name(name, readers):
    """Some of both: neither are all inputs whole nor does a reader refuse all."""
    outcomes = feed(readers[name], seed=20, inputs=100 if name == "state" else 300)
    assert min(outcomes.values()) > 0


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (KeyError("debt"), "reader odd, seed 1, input 0: KeyError: 'debt'"),
        (RecursionError("too deep"), "reader odd, seed 1, input 0: RecursionError: too deep"),
        (ValueError("bad value"), "reader odd, seed 1, input 0: refused without a name: bad value"),
    ],
)
def test_an_error_of_another_kind_or_without_a_name_is_found(error, text):
    def read():
        raise error

    odd = Reader("odd", ("odd.json",), lambda rng: None, read, 100)
    with pytest.raises(AssertionError, match=text):
        feed(odd, seed=1, inputs=5)


def test_the_same_seed_gives_the_same_inputs(readers):
    seen, reader = [], readers["config.json"]
    (path,) = reader.alter.__self__.paths
    noted = Reader("noted", reader.files, reader.alter, lambda: seen.append(path.read_bytes()), 1)
    for _ in range(2):
        feed(noted, seed=3, inputs=40)
    assert seen[:40] == seen[40:] and len(set(seen)) > 30
