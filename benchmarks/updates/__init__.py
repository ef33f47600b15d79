"""The learners that are timed side by side, each behind `run(count)`."""
