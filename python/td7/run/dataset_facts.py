"""What a run records of its data set, and the published scores that returns are measured by."""

from __future__ import annotations

from dataclasses import dataclass

from td7.files.json_checks import either, exactly, integer, number, record, text

# Mean returns of a random and of an expert policy: J. Fu et al., "D4RL: Datasets for Deep
# Data-Driven Reinforcement Learning" (arXiv 2004.07219), d4rl/infos.py. They were taken on the -v2
# environments; for others they are a common scale, not a comparison.
D4RL_SCORES = {
    "HalfCheetah": (-280.178953, 12135.0),
    "Hopper": (-20.272305, 3234.3),
    "Walker2d": (1.629008, 4592.3),
    "Ant": (-325.6, 3879.7),
}

_score = either(exactly(None), number(-1e300, 1e300))
FACTS = record(
    {
        "name": text(r"(?s).{1,4096}", "the name of a data set"),
        "transitions": integer(1, 2**40),
        "episodes": integer(1, 2**40),
        "mean_return": _score,
        "ref_min_score": _score,
        "ref_max_score": _score,
    }
)


@dataclass(frozen=True)
class DatasetFacts:
    """A data set's name and size, its episodes' mean return, and the ends of its score."""

    name: str
    transitions: int
    episodes: int
    mean_return: float | None  # None where transitions come in no order
    ref_min_score: float | None
    ref_max_score: float | None

    def normalized(self, mean_return: float) -> float | None:
        """Return D4RL's normalised score, 0 for random and 100 for expert; None without ends."""
        if self.ref_min_score is None or self.ref_max_score is None:
            return None
        return 100 * (mean_return - self.ref_min_score) / (self.ref_max_score - self.ref_min_score)


def reference_scores(env: str) -> tuple[float, float] | tuple[None, None]:
    """Return the published scores of random and expert for an environment, whatever its version."""
    return D4RL_SCORES.get(env.rpartition("-v")[0], (None, None))
