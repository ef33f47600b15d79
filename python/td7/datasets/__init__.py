"""Fixed data sets: Minari's, D4RL's HDF5, npz; read with suspicion, and collected from runs."""
