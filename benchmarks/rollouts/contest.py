"""Times td7's cases of one environment, each run beside the raw replay of itself, and the peers."""

from __future__ import annotations

import ctypes
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from benchmarks.rollouts.native import NativeRun
from benchmarks.rollouts.peer import Peer
from benchmarks.rollouts.peers import PEERS, Build
from benchmarks.rollouts.policies import untrained
from benchmarks.rollouts.raw import Raw
from benchmarks.rollouts.recording import Model
from td7.policy.module import PolicyModule

SIMS_PER_THREAD = 8
MEMBERS = 10
RATE, SHARE = "env_steps_per_s", "share_of_raw"


@dataclass(frozen=True)
class Effort:
    """How long to measure."""

    rounds: int = 7
    seconds: float = 0.5  # of a measurement, at least


class Case(NamedTuple):
    """One way in which td7 collects."""

    name: str
    policies: Sequence[PolicyModule]
    sims_per_member: int
    num_threads: int
    behaviour: Literal["random", "explore"]


def cases(env: str, trained: PolicyModule | None, num_threads: int) -> list[Case]:
    """Return td7's cases: one policy shared by eight simulations a thread, or ten by themselves."""
    fresh = [untrained(env, seed) for seed in range(MEMBERS)]
    policies = {"env": fresh[:1], "policy": fresh[:1]}
    if trained is not None:
        policies["trained"] = [trained]
    found = []
    for name, shared in policies.items():
        behaviour: Literal["random", "explore"] = "random" if name == "env" else "explore"
        for threads, suffix in ((1, "1t"), (num_threads, "all")):
            sims = SIMS_PER_THREAD * threads
            found.append(Case(f"{name}/{suffix}", shared, sims, threads, behaviour))
    return [*found, Case("policy/members", fresh, 1, num_threads, "explore")]


class Pair:
    """A case of td7 and the raw replay of what it did."""

    def __init__(self, case: Case, model: Model, raw_code: ctypes.CDLL) -> None:
        self.name = case.name
        self.td7 = NativeRun(
            model, case.policies, case.sims_per_member, case.num_threads, case.behaviour
        )
        self.raw = Raw(raw_code, model, case.num_threads)

    def rates(self, seconds: float) -> tuple[float, float]:
        """Return td7's environment steps a second and those of the same physics alone."""
        run = self.td7.run(seconds)
        raw_wall_s = self.raw.replay(run.recording)
        return run.env_steps / run.wall_s, run.env_steps / raw_wall_s


@dataclass
class Contest:
    """All that is timed, by (name, case, metric)."""

    raw_code: ctypes.CDLL
    effort: Effort
    num_threads: int
    values: dict[tuple[str, str, str], list[float]] = field(
        default_factory=lambda: defaultdict(list)
    )
    packages: set[str] = field(default_factory=set)

    def run(
        self,
        env: str,
        builders: dict[str, Build],
        trained: PolicyModule | None = None,
        progress: Callable[[str], object] = lambda text: None,
    ) -> None:
        """Open everything, then measure in turn, round by round; the first round is a warm-up."""
        start = time.perf_counter()
        peers: list[Peer] = []
        pairs: list[Pair] = []
        try:
            # first the peers: some fork, which is safer before there are threads
            peers.extend(self._open_peers(env, builders))
            model = Model.of(env)
            for case in cases(env, trained, self.num_threads):
                pairs.append(Pair(case, model, self.raw_code))
            for round_number in range(-1, self.effort.rounds):
                self._round(env, pairs, peers, round_number >= 0)
                progress(f"{env}: {time.perf_counter() - start:.0f} s")
        finally:
            for opened in (*peers, *(pair.raw for pair in pairs)):
                opened.close()

    def _open_peers(self, env: str, builders: dict[str, Build]) -> Iterator[Peer]:
        module = untrained(env, 0)
        for name, build in builders.items():
            for policy in (None, module) if PEERS[name][2] else (None,):
                peer = build(env, policy, self.num_threads)
                self.packages.update(peer.packages)
                yield peer

    def _round(self, env: str, pairs: Sequence[Pair], peers: Sequence[Peer], counts: bool) -> None:
        # a warm-up is over when everything has run
        seconds = self.effort.seconds if counts else self.effort.seconds / 5
        measured: list[tuple[str, str, str, float]] = []
        for pair in pairs:
            td7, raw = pair.rates(seconds)
            case = f"{env}/{pair.name}"
            measured += [("td7", case, RATE, td7), ("td7", case, SHARE, td7 / raw)]
            measured.append(("raw", case, RATE, raw))
        for peer in peers:
            measured.append((peer.name, f"{env}/{peer.case}", RATE, peer.run(seconds)))
        for name, case, metric, value in measured if counts else ():
            self.values[name, case, metric].append(value)
