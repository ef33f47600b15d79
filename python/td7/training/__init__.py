"""Training: the online loop, its bursts, its run folder and its metrics."""
