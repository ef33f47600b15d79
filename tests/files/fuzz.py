"""Feeds the readers of td7 with altered files: each is read, or refused by a file's name.

    python tests/fuzz.py [--seed 1] [--inputs 400000] [--only READER]

Input i of a reader depends on the seed and i alone. The replay's own reader is in C++, and so is
its program: tests/cpp/fuzz_replay_state.cc.
"""

from __future__ import annotations

import argparse
import faulthandler
import random
import resource
import tempfile
import time
from pathlib import Path

import torch
from fuzz_readers import Reader, make_readers

MOST_SECONDS = 60.0  # for 100 inputs
MOST_GROWTH = 2**29  # bytes of memory that a reader may come to hold


def feed(reader: Reader, seed: int, inputs: int) -> dict[str, int]:
    """Give a reader so many inputs; return how many were read and how many were refused.

    Raises AssertionError for one that ends otherwise.
    """
    outcomes = {"read": 0, "refused": 0}
    before = _memory()
    for number in range(inputs):
        if number % 100 == 0:
            faulthandler.dump_traceback_later(MOST_SECONDS, exit=True)
        where = f"reader {reader.name}, seed {seed}, input {number}"
        rng = random.Random(f"{seed} {reader.name} {number}")
        reader.alter(rng)
        try:
            reader.read()
        except (ValueError, OSError) as error:
            told = str(error)
            if not any(name in told for name in reader.files):
                raise AssertionError(f"{where}: refused without a name: {told:.300}") from error
            outcomes["refused"] += 1
        except BaseException as error:
            raise AssertionError(f"{where}: {type(error).__name__}: {error!s:.300}") from error
        else:
            outcomes["read"] += 1
    faulthandler.cancel_dump_traceback_later()
    grown = _memory() - before
    assert grown < MOST_GROWTH, f"reader {reader.name}, seed {seed}: memory grew by {grown} bytes"
    return outcomes


def _memory() -> int:
    """Return the most memory that this process has held, in bytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def main() -> None:
    """Run the readers named, or all."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--inputs", type=int, default=400_000, help="of all readers together")
    parser.add_argument("--only", default=None, help="a reader")
    options = parser.parse_args()
    torch.set_num_threads(1)
    total = 0
    with tempfile.TemporaryDirectory(dir="/dev/shm" if Path("/dev/shm").is_dir() else None) as root:
        for reader in make_readers(Path(root)):
            if options.only not in (None, reader.name):
                continue
            began = time.monotonic()
            count = options.inputs * reader.share // 100
            outcomes = feed(reader, options.seed, count)
            total += count
            took = time.monotonic() - began
            print(f"{count:9}  {reader.name:20} {outcomes} {took:.0f} s", flush=True)
    print(f"{total} inputs, seed {options.seed}")


if __name__ == "__main__":
    main()
