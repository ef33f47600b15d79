"""Studying runs: learning curves."""
