"""What a run writes and shows: metrics.jsonl and TensorBoard rows, and the person's display."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from td7.config import RunConfig
from td7.files.whole import write_json
from td7.machine import describe_machine
from td7.run.metrics import MetricsWriter, Row
from td7.run.placement import idle_envs
from td7.run.saved_policies import link_policies
from td7.run.state import RunState
from td7.training.display import Progress
from td7.training.evaluate import Evaluated

ROUND_STEPS = 50  # of a round's episodes at least: shorter ones share a row, or rows would swamp


class Report:
    """Turns a run's state into rows and lines; it changes nothing of it but emptied means."""

    def __init__(self, run: RunState, folder: Path, config: RunConfig) -> None:
        self.run, self.folder = run, folder
        self.metrics = MetricsWriter(folder, config.tensorboard, keep_bytes=run.metrics_bytes)
        settings = run.settings
        self.progress = Progress(
            config.progress, settings.seeds, settings.total_steps, offline=settings.offline
        )
        self.progress.env_steps = run.collector.env_steps
        self.progress.updates = list(run.learners.updates)
        self._tensorboard_wanted = config.tensorboard
        self._failing: set[str] = set()
        self._said: set[str] = set()
        self._assessed: dict[int, float] = {}  # mean return of each member's latest round
        self._start = time.monotonic()

    def __enter__(self) -> Report:
        if not (self.folder / "machine.json").exists():  # a resumed run keeps its first command
            write_json(self.folder / "machine.json", describe_machine())
        self.progress.__enter__()
        if self._tensorboard_wanted and not self.metrics.tensorboard:
            self.say("tensorboard is not installed: metrics go to metrics.jsonl alone")
        settings = self.run.settings
        if self.run.rollouts.max_episode_steps is None:
            waits = settings.config.learning_starts_with_episode
            learns_late = ", and nothing is learned before the first ends" if waits else ""
            self.say(
                f"{settings.env} has no time limit: an episode may never end{learns_late}. "
                "Episodes of evaluations are cut after "
                f"{settings.config.eval_max_steps:,} steps (--eval-max-steps); "
                "--max-episode-steps truncates all episodes"
            )
        if settings.config.execution != "eager":
            self.say("updates are compiled before the first one: nothing moves for half a minute")
        if text := idle_envs(settings):
            self.say(text)
        if not settings.offline and settings.config.warmup_steps >= settings.total_steps:
            warmup, total = settings.config.warmup_steps, settings.total_steps
            self.say(f"nothing will be learned: of {total} steps {warmup} are the warm-up's")
        return self

    def __exit__(self, *exception: object) -> None:
        self.progress.__exit__(*exception)
        self.metrics.close()

    def say(self, text: str) -> None:
        """Print a line above the display."""
        self.progress.say(text)

    def say_once(self, text: str) -> None:
        """Print a line above the display, unless it was printed before."""
        if text not in self._said:
            self._said.add(text)
            self.say(text)

    @contextmanager
    def going_on(self, what: str) -> Iterator[None]:
        """Let the run go on where a file cannot be written; say so once, until it can be again."""
        try:
            yield
        except OSError as error:
            if what not in self._failing:
                self.say(f"{what} cannot be written for now, and the run goes on: {error}")
            self._failing.add(what)
        else:
            self._failing.discard(what)

    def flush(self) -> None:
        """Write to the disk the rows that a state about to be saved counts."""
        with self.going_on("metrics.jsonl"):
            self.metrics.flush()

    def finish(self) -> None:
        """Write what could not be written on the way; OSError where it still cannot."""
        if self.run.finished():
            for member in range(len(self.run.settings.seeds)):
                self.round(member, least_steps=1)  # what a longer run would have gone on with
        link_policies(self.folder, self.run.settings.seeds)
        self.metrics.flush()

    def policies(self) -> None:
        """Let policy/ show the policies of the latest state."""
        with self.going_on("policy/"):
            link_policies(self.folder, self.run.settings.seeds)

    def wall_s(self) -> float:
        """Return the seconds that the run has taken, earlier sessions included."""
        return self.run.wall_s + time.monotonic() - self._start

    def updates(self, members: Sequence[int], count: int) -> None:
        """Count updates that members have made."""
        for member in members:
            self.progress.updates[member] += count

    def evaluation(self, member: int, steps: int, evaluated: Evaluated) -> None:
        """Report an evaluation of the policy that would be exported, due at this step."""
        if not evaluated.returns:  # there are no evaluations: show what the assessments brought
            if (assessed := self._assessed.get(member)) is not None:
                self.progress.evaluation(member, steps, assessed)
            return
        mean = float(np.mean(evaluated.returns))
        dataset = self.run.settings.dataset
        row = self._row(member, "evaluation", 0 if dataset else steps) | {
            "policy": self.run.evaluated_policy,
            "returns": evaluated.returns,
            "eval/mean_reward": mean,
            "eval/std_reward": float(np.std(evaluated.returns)),
            "eval/mean_ep_length": float(np.mean(evaluated.lengths)),
        }
        if dataset is not None and (score := dataset.normalized(mean)) is not None:
            row["eval/normalized_score"] = score
        self._write(row)
        self.progress.evaluation(member, steps, mean, row.get("eval/normalized_score"))

    def round(self, member: int, least_steps: int = ROUND_STEPS) -> None:
        """Report a round: its noisy episodes, its burst, and what shows a run going wrong.

        Rounds of less than `least_steps` are reported together with those that follow.
        """
        run, mine = self.run, self.run.members[member]
        episodes = mine.recent_episodes
        if sum(episode.length for episode in episodes) < least_steps:
            return
        env_steps = run.collector.env_steps[member]
        row = self._row(member, "round", env_steps) | {
            "rollout/ep_rew_mean": float(np.mean([e.episode_return for e in episodes])),
            "rollout/ep_rew_min": min(e.episode_return for e in episodes),
            "rollout/ep_len_mean": float(np.mean([e.length for e in episodes])),
            "rollout/assessment_episodes": len(episodes),
            "rollout/assessment_steps": sum(e.length for e in episodes),
        }
        if run.settings.config.use_checkpoints:
            row["checkpoint/score"] = mine.rule.best_min_return
            row["checkpoint/age_steps"] = env_steps - mine.checkpoint_steps
        self._assessed[member] = row["rollout/ep_rew_mean"]
        episodes.clear()
        self._learning(member, row)

    def learning(self, member: int) -> None:
        """Report the updates since the last such report, where there are no episodes."""
        self._learning(member, self._row(member, "updates", 0))

    def _learning(self, member: int, row: Row) -> None:
        values = self.run.learners.target_values(member)
        row |= {f"train/{name}": value for name, value in values.items()}
        group, local = self.run.group_of(member)
        row |= group.metrics.pop(local)
        self._write(row)
        self.progress.note(member, row)

    def _write(self, row: Row) -> None:
        with self.going_on("metrics.jsonl"):
            self.metrics.write(row)
        with self.going_on("tensorboard/"):
            self.metrics.show(row, row[self.run.settings.clock])

    def _row(self, member: int, event: str, env_steps: int) -> Row:
        return {
            "event": event,
            "seed": self.run.settings.seeds[member],
            "env_steps": env_steps,
            "updates": self.run.learners.updates[member],
            "time/wall_s": self.wall_s(),
        }
