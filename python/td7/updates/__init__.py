"""How gradient steps are made: learners, their groups, bursts and the batches that feed them."""
