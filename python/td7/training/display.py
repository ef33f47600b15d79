"""What a person sees of a run: a live rich display on a terminal, plain lines elsewhere."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from rich.live import Live
from rich.table import Table

from td7.config import ProgressMode
from td7.terminal import plain_console, terminal_text


class Progress:
    """The loop assigns what it knows; the display reads it from its own thread."""

    def __init__(
        self,
        mode: ProgressMode,
        seeds: Sequence[int],
        total_steps: int,
        *,
        offline: bool = False,
    ) -> None:
        self.console = plain_console()
        if mode == "auto":
            mode = "live" if self.console.is_terminal else "plain"
        self.mode, self.seeds, self.total_steps = mode, list(seeds), total_steps
        self.offline = offline
        self.env_steps = [0] * len(seeds)
        self.updates = [0] * len(seeds)
        self.last_eval: list[float | None] = [None] * len(seeds)
        self.score: list[float | None] = [None] * len(seeds)
        self.losses: list[str] = [""] * len(seeds)
        self._start: tuple[float, int, int] | None = None
        self._live: Live | None = None

    def __enter__(self) -> Progress:
        if self.mode == "live":
            self._live = Live(
                get_renderable=self._table, console=self.console, refresh_per_second=2
            )
            self._live.start()
        return self

    def __exit__(self, *exception: object) -> None:
        if self._live is not None:
            self._live.stop()

    @property
    def steps(self) -> list[int]:
        """What is done of the total [P]: environment steps, offline updates."""
        return self.updates if self.offline else self.env_steps

    def learning_started(self) -> None:
        """Start the clock of the rates here, so that random warm-up steps do not count."""
        if self._start is None:
            self._start = (time.monotonic(), sum(self.env_steps), sum(self.updates))

    def rates(self) -> tuple[float, float]:
        """Return (environment steps, member updates) per second since learning started."""
        if self._start is None:
            return 0.0, 0.0
        since, steps, updates = self._start
        wall_s = max(time.monotonic() - since, 1e-9)
        return (sum(self.env_steps) - steps) / wall_s, (sum(self.updates) - updates) / wall_s

    def note(self, index: int, metrics: dict[str, Any]) -> None:
        """Note a member's checkpoint score and losses from the row of its latest round."""
        self.score[index] = metrics.get("checkpoint/score")
        names = {"encoder": "encoder_loss", "critic": "critic_loss", "actor": "actor_loss"}
        self.losses[index] = ", ".join(
            f"{short} {metrics[f'train/{name}']:.3g}"
            for short, name in names.items()
            if f"train/{name}" in metrics
        )

    def evaluation(self, index: int, steps: int, mean: float, score: float | None = None) -> None:
        """Note an evaluation of one member; plain mode prints its line."""
        self.last_eval[index] = mean
        if self.mode == "plain":
            steps_s, updates_s = self.rates()
            normalized = "" if score is None else f"score {score:.1f}  "
            env_steps = "" if self.offline else f"env_steps {steps:>8,}  "
            env_steps_s = "" if self.offline else f"{steps_s:.0f} env_steps/s  "
            self._print(
                f"seed {self.seeds[index]}  {env_steps}"
                f"updates {self.updates[index]:>8,}  return {mean:>9.1f}  "
                f"{normalized}{env_steps_s}{updates_s:.0f} updates/s  ETA {self._eta()}"
            )

    def say(self, text: str) -> None:
        """Print a line above the display."""
        if self.mode != "none":
            self._print(text)

    def _print(self, text: str) -> None:
        self.console.print(terminal_text(text))

    def _eta(self) -> str:
        rate = self.rates()[1 if self.offline else 0]
        left = self.total_steps * len(self.seeds) - sum(self.steps)
        if rate <= 0:
            return "-"
        minutes, seconds = divmod(round(left / rate), 60)
        hours, minutes = divmod(minutes, 60)
        return f"{hours}:{minutes:02}:{seconds:02}"

    def _table(self) -> Table:
        steps_s, updates_s = self.rates()
        rates = f"{updates_s:.0f} updates/s   ETA {self._eta()}"
        table = Table(title=rates if self.offline else f"{steps_s:.0f} env_steps/s   {rates}")
        rows = [self._cells(index) for index in range(len(self.seeds))]
        for name in rows[0]:
            table.add_column(name, justify="left" if name == "losses" else "right")
        for row in rows:
            table.add_row(*row.values())
        return table

    def _cells(self, index: int) -> dict[str, str]:
        numbers = (self.last_eval[index], self.score[index])
        evaluation, score = ("-" if n is None else f"{n:.1f}" for n in numbers)
        seed, done = str(self.seeds[index]), f"{self.steps[index]:,} / {self.total_steps:,}"
        losses = self.losses[index]
        if self.offline:
            return {"seed": seed, "updates": done, "evaluation": evaluation, "losses": losses}
        return {
            "seed": seed,
            "env steps": done,
            "updates": f"{self.updates[index]:,}",
            "evaluation": evaluation,
            "checkpoint score": score,
            "losses": losses,
        }
