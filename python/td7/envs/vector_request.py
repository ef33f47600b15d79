"""The arguments of gymnasium.make_vec that are not the environment's: checked, and put together."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from gymnasium import VectorizeMode
from gymnasium.envs.registration import EnvSpec
from gymnasium.vector import AutoresetMode

from td7.envs.vector_args import at_least, checked_mode

# Of vector_kwargs, what simulations without Gymnasium environments have, too.
OF_SIMULATIONS = ("autoreset_mode", "copy", "observation_mode")


@dataclass
class VectorArguments:
    """What make_vec was given; raises ValueError or TypeError, naming the bad argument."""

    num_envs: int
    autoreset_mode: AutoresetMode | str | None
    vectorization_mode: VectorizeMode | str | None
    vector_kwargs: Mapping[str, Any]
    wrappers: Sequence[Callable[[Any], Any]]

    def __post_init__(self) -> None:
        self.num_envs = at_least(1, self.num_envs, "num_envs")
        self.vector_kwargs = _checked_vector_kwargs(self.vector_kwargs)
        self.vectorization_mode = _checked_vectorization(self.vectorization_mode)
        self.wrappers = _checked_wrappers(self.wrappers)
        inner = self.vector_kwargs.get("autoreset_mode")
        for mode in (self.autoreset_mode, inner):
            if mode is not None:
                checked_mode(mode)
        if self.autoreset_mode is None:
            self.autoreset_mode = inner
        elif inner is not None and checked_mode(inner) is not checked_mode(self.autoreset_mode):
            raise ValueError(
                "autoreset_mode must be that of vector_kwargs where both are given, got "
                f"{self.autoreset_mode!r} and {inner!r}"
            )

    @property
    def are_for_environments(self) -> bool:
        """Whether they ask for Gymnasium environments, one a simulation."""
        return bool(self.wrappers) or self.vectorization_mode is not None

    @property
    def copy(self) -> bool:
        """Whether each step returns observations of its own."""
        return bool(self.vector_kwargs.get("copy", True))

    def mode(self, default: AutoresetMode) -> AutoresetMode:
        """Return the autoreset mode."""
        return default if self.autoreset_mode is None else checked_mode(self.autoreset_mode)

    def expect_simulations(self, what: str) -> None:
        """Raise ValueError for what only Gymnasium environments can do."""
        if self.wrappers:
            raise ValueError(
                f"wrappers must be empty for {what}, which has no single environments, got "
                f"{self.wrappers!r}: wrap what make_vec returns (gymnasium.wrappers.vector)"
            )
        if self.vectorization_mode is not None:
            raise ValueError(
                f"vectorization_mode must be None for {what}, whose simulations run on "
                f"num_threads threads, got {self.vectorization_mode!r}"
            )
        others = [name for name in self.vector_kwargs if name not in OF_SIMULATIONS]
        if others or self.vector_kwargs.get("observation_mode", "same") != "same":
            raise ValueError(
                f"vector_kwargs must be autoreset_mode, copy or observation_mode='same' for "
                f"{what}, got {dict(self.vector_kwargs)!r}"
            )

    def of_gymnasium(self, default: AutoresetMode) -> dict[str, Any]:
        """Return the arguments of gymnasium.make_vec."""
        vector_kwargs = dict(self.vector_kwargs)
        mode = self.vectorization_mode or VectorizeMode.SYNC
        if mode is VectorizeMode.VECTOR_ENTRY_POINT:
            if self.autoreset_mode is not None:
                raise ValueError(
                    "autoreset_mode must be None with vectorization_mode='vector_entry_point', "
                    f"which has a mode of its own, got {self.autoreset_mode!r}"
                )
        else:
            # by its value, which EnvSpec.to_json can write
            vector_kwargs["autoreset_mode"] = self.mode(default).value
        return {
            "num_envs": self.num_envs,
            "vectorization_mode": mode,
            "vector_kwargs": vector_kwargs,
            "wrappers": self.wrappers,
        }


def of_spec(
    spec: EnvSpec, given: VectorArguments, kwargs: Mapping[str, Any]
) -> tuple[EnvSpec, VectorArguments, dict[str, Any]]:
    """Return a spec of one environment, and what the given one and the arguments say beside it.

    As in gymnasium.make_vec, what the spec of a vector environment says of num_envs,
    vectorization_mode, vector_kwargs and wrappers goes before the arguments, except for the
    autoreset mode; the arguments go before what it says of the environment.
    """
    single = copy.deepcopy(spec)
    of_env, single.kwargs = single.kwargs, {}
    vector_kwargs = dict(of_env.pop("vector_kwargs", given.vector_kwargs))
    if given.autoreset_mode is not None:
        vector_kwargs["autoreset_mode"] = given.autoreset_mode
    asked = VectorArguments(
        of_env.pop("num_envs", given.num_envs),
        given.autoreset_mode,
        of_env.pop("vectorization_mode", given.vectorization_mode),
        vector_kwargs,
        of_env.pop("wrappers", given.wrappers),
    )
    return single, asked, {**of_env, **kwargs}


def _checked_vectorization(mode: VectorizeMode | str | None) -> VectorizeMode | None:
    if mode is None:
        return None
    try:
        return VectorizeMode(mode)
    except ValueError:
        known = ", ".join(repr(each.value) for each in VectorizeMode)
        raise ValueError(
            f"vectorization_mode must be None or one of {known}, got {mode!r}"
        ) from None


def _checked_vector_kwargs(given: Any) -> dict[str, Any]:
    if isinstance(given, Mapping):
        return dict(given)
    raise TypeError(f"vector_kwargs must be a dict, got {given!r}")


def _checked_wrappers(given: Any) -> list[Callable[[Any], Any]]:
    if isinstance(given, (list, tuple)) and all(map(callable, given)):
        return list(given)
    raise TypeError(f"wrappers must be a list of functions, each of an environment, got {given!r}")
