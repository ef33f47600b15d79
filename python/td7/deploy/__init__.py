"""From a trained run to a policy that others can run."""
