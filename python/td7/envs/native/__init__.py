"""Gymnasium's MuJoCo -v5 tasks that run in C++: the engine, and a vector environment over it."""

from td7.envs.native.engine import (
    is_native,
    make_engine,
    pcg64_state,
    pcg64_words,
    processors,
    spaces,
)
from td7.envs.native.vector_env import NativeVectorEnv

__all__ = [
    "NativeVectorEnv",
    "is_native",
    "make_engine",
    "pcg64_state",
    "pcg64_words",
    "processors",
    "spaces",
]
