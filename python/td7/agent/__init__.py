"""The TD7 agent: networks, losses, learner, burst schedule and checkpoint rule."""
