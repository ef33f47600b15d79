"""Types of the C++ extension; what each function promises is said in csrc/ and by its callers."""

import numpy as np
from numpy.typing import NDArray

_Float32 = NDArray[np.float32]
_Float64 = NDArray[np.float64]
_Int64 = NDArray[np.int64]
_UInt64 = NDArray[np.uint64]
_Bool = NDArray[np.bool_]

def mujoco_versions() -> tuple[int, int]: ...
def instruction_sets() -> list[str]: ...
def instruction_set() -> str: ...
def set_instruction_set(name: str) -> None: ...
def fill_uniform(seeds: _UInt64, stream: str, counters: _Int64, out: _Float64) -> None: ...
def fill_normal(seeds: _UInt64, stream: str, counters: _Int64, out: _Float32) -> None: ...

class LapReplay:
    def __init__(
        self,
        capacity: int,
        obs_size: int,
        action_size: int,
        seeds: _UInt64,
        streams: int,
        alpha: float,
        min_priority: float,
        scratch_dir: bytes,
    ) -> None: ...
    @property
    def members(self) -> int: ...
    @property
    def nbytes(self) -> int: ...
    def add(
        self,
        member: int,
        stream: int,
        obs: _Float32,
        action: _Float32,
        reward: float,
        next_obs: _Float32,
        terminated: bool,
        truncated: bool,
    ) -> None: ...
    def add_episode(
        self,
        member: int,
        stream: int,
        obs: _Float32,
        action: _Float32,
        reward: _Float32,
        terminated: bool,
    ) -> None: ...
    def add_transitions(
        self,
        member: int,
        stream: int,
        obs: _Float32,
        action: _Float32,
        reward: _Float32,
        next_obs: _Float32,
        terminated: _Bool,
        truncated: _Bool,
    ) -> None: ...
    def end_episode(self, member: int, stream: int) -> None: ...
    def sample(
        self,
        members: _Int64,
        obs: _Float32,
        action: _Float32,
        reward: _Float32,
        next_obs: _Float32,
        not_terminated: _Float32,
        index: _Int64,
        probability: _Float64 | None = None,
    ) -> None: ...
    def update_priorities(self, members: _Int64, index: _Int64, td_error: _Float32) -> None: ...
    def reset_max_priority(self, members: _Int64) -> None: ...
    def size(self, member: int, /) -> int: ...
    def max_priority(self, member: int, /) -> float: ...
    def draw_counter(self, member: int, /) -> int: ...
    def set_draw_counter(self, member: int, counter: int) -> None: ...
    def priority(self, member: int, index: int, /) -> float: ...
    def path_probability(self, member: int, index: int, /) -> float: ...
    def save(self, path: bytes) -> None: ...
    def load(self, path: bytes) -> None: ...
