"""The policy that acts, in torch and in C++: what collects is what is exported."""
