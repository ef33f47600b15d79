"""Hyper-parameters, a class for each algorithm, and what must not change a result (`RunConfig`)."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Literal, get_args

ProgressMode = Literal["auto", "live", "plain", "none"]
Execution = Literal["auto", "eager", "compiled", "graph"]
Precision = Literal["float32", "tf32", "bf16"]
ReplayPlace = Literal["auto", "host", "device"]
OfflineLoss = Literal["td7", "bc"]

CHOICES = {
    "ProgressMode": get_args(ProgressMode),
    "Execution": get_args(Execution),
    "Precision": get_args(Precision),
    "ReplayPlace": get_args(ReplayPlace),
    "OfflineLoss": get_args(OfflineLoss),
}

_INF = math.inf
_MOST_COUNT = 2**53 - 1  # what every reader of JSON takes for a whole number
_MOST_FLOAT = 1e38  # a float32
_MOST_UNITS = 2**16  # of a layer: wider ones are no network that a machine holds


def _number(default: float, low: float, high: float = _INF) -> Any:
    """Declare a numeric field that must lie in [low, high]."""
    return field(default=default, metadata={"range": (low, high)})


def _check_fields(config: Any) -> None:
    """Refuse a field whose type or range is wrong, naming it, the wanted and the given."""
    for item in dataclasses.fields(config):
        value, where = getattr(config, item.name), f"{type(config).__name__}.{item.name}"
        wanted = item.type.split(" ")[0]
        if wanted == "bool" and not isinstance(value, bool):
            raise TypeError(f"{where} must be a bool, got {value!r}")
        if wanted == "int" and (isinstance(value, bool) or not isinstance(value, int)):
            raise TypeError(f"{where} must be an int, got {value!r}")
        if wanted == "float" and (isinstance(value, bool) or not isinstance(value, (int, float))):
            raise TypeError(f"{where} must be a float, got {value!r}")
        if wanted in CHOICES and value not in CHOICES[wanted]:
            raise ValueError(f"{where} must be of {', '.join(CHOICES[wanted])}, got {value!r}")
        if "range" in item.metadata:
            low, high = item.metadata["range"]
            if value in (_INF, -_INF):
                raise ValueError(f"{where} must be finite, got {value!r}")
            if not low <= value <= high:
                above = "" if high == _INF else f" and at most {high}"
                raise ValueError(f"{where} must be at least {low}{above}, got {value!r}")
            most = _MOST_COUNT if wanted == "int" else _MOST_FLOAT
            if value > most:
                raise ValueError(f"{where} must be at most {most}, got {value!r}")


@dataclass(frozen=True)
class LearningConfig:
    """Settings that every algorithm has; each of them changes a result."""

    # --- Learning ---
    discount: float = _number(0.99, 0.0, 1.0)
    """Discount factor of future rewards."""
    batch_size: int = _number(256, 1)
    """Transitions per update."""
    buffer_capacity: int = _number(1_000_000, 1, 50_000_000)
    """Transitions that the replay buffer keeps."""
    target_policy_noise: float = _number(0.2, 0.0)
    """Standard deviation of the noise on target actions."""
    target_noise_clip: float = _number(0.5, 0.0)
    """Largest magnitude of the noise on target actions."""
    policy_period: int = _number(2, 1)
    """Critic updates per actor update."""
    exploration_noise: float = _number(0.1, 0.0)
    """Standard deviation of the noise on collected actions, in units of [-1, 1]."""
    warmup_steps: int = _number(25_000, 0)
    """Uniformly random steps. Then learning starts: at once, or with assessments at the end of the
    episodes under way."""
    num_envs: int = _number(1, 1, 2**16)
    """Parallel environments per seed. An assessment uses at most as many as it has episodes."""

    # --- Environment ---
    max_episode_steps: int = _number(0, 0, 2**31 - 1)
    """Steps after which an episode is truncated, in training and in evaluations; 0 for the
    environment's own time limit, if it has one."""

    # --- Arithmetic: each choice has its own rounding ---
    execution: Execution = "auto"
    """How updates run: eager; compiled (torch.compile, needs a C++ compiler); graph (CUDA graphs of
    compiled updates). auto: graph on a GPU, else compiled where 10,000 updates or more are due."""
    precision: Precision = "float32"
    """Matrix products in float32, in TF32 (GPUs), or by bfloat16 autocast; the rest is float32.
    bf16 needs a GPU or a CPU with bfloat16 units: see `td7 doctor`."""
    replay: ReplayPlace = "auto"
    """Where transitions are kept: device (the GPU's memory) or host. auto: device where it is a GPU
    and they fit."""

    # --- Evaluation ---
    eval_every: int = _number(5_000, 1)
    """Environment steps between two evaluations; offline, updates."""
    eval_episodes: int = _number(10, 0, 2**16)
    """Episodes of an evaluation. 0: no evaluations, the curve is of the training episodes."""
    eval_in_training_env: bool = False
    """Evaluate in the first environment that collects, between its episodes, one episode after the
    other: for a robot that can be opened once. An evaluation that falls due within an episode waits
    for its end."""
    eval_max_steps: int = _number(100_000, 1)
    """Steps after which an episode of an evaluation is cut, in case it never ends."""

    def __post_init__(self) -> None:
        _check_fields(self)
        if self.batch_size > self.buffer_capacity:
            raise ValueError(
                f"{type(self).__name__}.batch_size must be at most buffer_capacity "
                f"{self.buffer_capacity}, got {self.batch_size}"
            )
        if self.eval_in_training_env and not self.eval_episodes:
            raise ValueError(
                f"{type(self).__name__}.eval_in_training_env must be False where eval_episodes "
                "is 0, got True"
            )

    @property
    def one_env(self) -> bool:
        """Whether no environment is opened for evaluations."""
        return self.eval_in_training_env or not self.eval_episodes


@dataclass(frozen=True)
class TD7Config(LearningConfig):
    """Every setting that changes a result; defaults are the paper's (arXiv 2306.02451)."""

    algorithm: ClassVar[str] = "td7"
    learning_starts_with_episode: ClassVar[bool] = True  # the first after the warm-up

    # --- Targets ---
    target_update_period: int = _number(250, 1)
    """Updates between two copies of the networks into their targets."""

    # --- LAP ---
    lap_alpha: float = _number(0.4, 0.0, 1.0)
    """Exponent of the priorities."""
    min_priority: float = _number(1.0, 1e-6, 1e6)
    """Smallest |TD error| that counts in a priority, and the Huber threshold."""

    # --- TD3+BC (offline only) ---
    bc_weight: float = _number(0.1, 0.0)
    """Weight lambda of the behaviour-cloning term when learning offline."""
    offline_loss: OfflineLoss = "td7"
    """The actor's loss when learning offline: td7 (value and cloning) or bc (cloning alone)."""

    # --- Policy checkpoints ---
    use_checkpoints: bool = True
    """Keep the best assessed policy, and train in bursts between assessments."""
    assessment_episodes: int = _number(1, 1)
    """Episodes of an assessment in early learning."""
    late_assessment_episodes: int = _number(20, 1)
    """Episodes of an assessment after the switch."""
    late_after_updates: int = _number(750_000, 0)
    """Updates before the switch to long assessments."""
    reset_weight: float = _number(0.9, 0.0, 1.0)
    """At the switch the best return is lowered by (1 - reset_weight) of its magnitude."""

    # --- Networks ---
    embedding_size: int = _number(256, 1, _MOST_UNITS)
    """Size of the embeddings zs and zsa."""
    encoder_hidden: int = _number(256, 1, _MOST_UNITS)
    """Hidden units of each encoder layer."""
    critic_hidden: int = _number(256, 1, _MOST_UNITS)
    """Hidden units of each critic layer."""
    actor_hidden: int = _number(256, 1, _MOST_UNITS)
    """Hidden units of each actor layer."""
    encoder_lr: float = _number(3e-4, 0.0, 1.0)
    """Adam's learning rate for the encoder."""
    critic_lr: float = _number(3e-4, 0.0, 1.0)
    """Adam's learning rate for the critics."""
    actor_lr: float = _number(3e-4, 0.0, 1.0)
    """Adam's learning rate for the actor."""


@dataclass(frozen=True)
class TD3Config(LearningConfig):
    """Every setting of TD3 that changes a result; defaults are its author's (arXiv 1802.09477)."""

    algorithm: ClassVar[str] = "td3"
    learning_starts_with_episode: ClassVar[bool] = False  # at the step that ends the warm-up
    # What TD3 is without: prioritised replay and checkpoints.
    lap_alpha: ClassVar[float] = 0.0
    min_priority: ClassVar[float] = 1.0
    use_checkpoints: ClassVar[bool] = False
    assessment_episodes: ClassVar[int] = 1
    late_assessment_episodes: ClassVar[int] = 1
    late_after_updates: ClassVar[int] = 0
    reset_weight: ClassVar[float] = 1.0

    # --- Targets ---
    tau: float = _number(0.005, 0.0, 1.0)
    """Share by which targets move towards their networks, at each of the actor's updates."""

    # --- Networks ---
    critic_hidden: int = _number(256, 1, _MOST_UNITS)
    """Hidden units of each critic layer."""
    actor_hidden: int = _number(256, 1, _MOST_UNITS)
    """Hidden units of each actor layer."""
    critic_lr: float = _number(3e-4, 0.0, 1.0)
    """Adam's learning rate for the critics."""
    actor_lr: float = _number(3e-4, 0.0, 1.0)
    """Adam's learning rate for the actor."""


AlgorithmName = Literal["td7", "td3"]
AlgorithmConfig = TD7Config | TD3Config
CONFIGS: dict[str, type[AlgorithmConfig]] = {"td7": TD7Config, "td3": TD3Config}


@dataclass(frozen=True)
class RunConfig:
    """Where a run is written and how it is shown; none of it changes a result."""

    out: str | Path | None = None
    """Run folder; by default runs/ENV-SEEDS, offline runs/offline-ENV-SEEDS."""
    overwrite: bool = False
    """Replace a run that the folder already holds; it is deleted once the new one is saved."""
    tensorboard: bool = True
    """Write TensorBoard events beside metrics.jsonl (when tensorboard is installed)."""
    progress: ProgressMode = "auto"
    """How progress is shown: a live display on a terminal, else plain lines."""
    num_threads: int = _number(0, 0, 4096)
    """C++ threads that run environments; 0 for one a processor."""
    save_every_s: float = _number(600.0, 0.0, 1e9)
    """Seconds between two saves of the state, more where one takes long; 0 for none but that at the
    end or at a stop. For a moment there are three states on the disk; rows that they share
    lie there once."""
    save_every_steps: int = _number(0, 0, 10**12)
    """Environment steps (offline: updates) of all seeds together between two saves of the state;
    0 for none."""
    scratch_dir: str | Path | None = None
    """Folder for the replay's rows, in a file, when they are more than memory holds."""

    def __post_init__(self) -> None:
        _check_fields(self)
        if 0 < self.save_every_s < 1:  # a run that does nothing but save
            raise ValueError(
                f"RunConfig.save_every_s must be 0 or at least 1, got {self.save_every_s}"
            )

    def resolved(self) -> RunConfig:
        """Return these settings with absolute paths: environments may change the working folder."""
        return dataclasses.replace(
            self,
            out=self.out and Path(self.out).absolute(),
            scratch_dir=self.scratch_dir and Path(self.scratch_dir).absolute(),
        )
