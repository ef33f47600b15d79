"""Environments: what td7 trains on."""

from td7.envs.gymnasium import DivergedError, check_finite, make_env, to_space

__all__ = ["DivergedError", "check_finite", "make_env", "to_space"]
