"""Training: the online loop, its bursts, its saved state and its metrics."""
