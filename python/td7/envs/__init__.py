"""Environments: what td7 trains on."""

from td7.envs.gymnasium import make_env

__all__ = ["make_env"]
