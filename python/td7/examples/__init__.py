"""Robots to start one's own from: each is a Task and its MJCF."""
