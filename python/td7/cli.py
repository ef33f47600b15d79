"""The `td7` command: train, offline, collect, eval, export, verify, plot, doctor.

Nothing heavy is imported before a command runs, so that `--help` answers at once.
"""

from __future__ import annotations

import reprlib
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import tyro
from tyro.conf import OmitArgPrefixes, Positional

from td7.command_errors import ERRORS, reason
from td7.config import CONFIGS, AlgorithmConfig, AlgorithmName, RunConfig, TD7Config
from td7.terminal import output_that_never_raises, say, stdout_is_lost, terminal_text
from td7.typed_options import check_options, chosen_algorithm

if TYPE_CHECKING:
    from td7.training.session import TrainResult

MOST_SEEDS = 2**20
DEFAULT_ENV = "HalfCheetah-v5"
app = tyro.extras.SubcommandApp()


@app.command
def train(
    *,
    env: str | None = None,
    seeds: str = "0",
    total_steps: int | None = None,
    device: str = "auto",
    resume: Path | None = None,
    start: Annotated[Path | None, tyro.conf.arg(name="from")] = None,
    keep_replay: bool = False,
    algorithm: AlgorithmName = "td7",
    config: OmitArgPrefixes[TD7Config] = TD7Config(),
    run: OmitArgPrefixes[RunConfig] = RunConfig(),
) -> int:
    """Train online, one member for each seed, all in one program.

    Args:
        env: Gymnasium id with 1-D Box observations and finite Box actions, or a task of your own:
            my_robot.py:MyTask. HalfCheetah-v5 by default. With --resume: in place of the run's own,
            of the same sizes and bounds.
        seeds: Seeds to train at once: 3 or 0,1,5 or 0:10 (ten seeds).
        total_steps: Environment steps of each seed (of an offline run that is resumed, updates);
            300000, or the resumed run's own.
        device: auto, cpu, cuda or cuda:N.
        resume: Run folder to continue, online or offline, with its own settings.
        start: Run folder, of an offline run say, whose networks, environment and seeds to start
            from; in the warm-up its policy acts, with noise.
        keep_replay: With --from: go on with its transitions, too, in a buffer as it was.
        algorithm: Learning algorithm; `--algorithm NAME --help` shows its hyper-parameters.
        config: Hyper-parameters.
        run: Where the run is written and how it is shown.
    """
    from td7.training.online import train, train_from
    from td7.training.resume import resume as resume_run

    wanted = 300_000 if total_steps is None else total_steps
    if resume is not None:
        result = resume_run(resume, total_steps=total_steps, run=run, env=env)
    elif start is not None:
        result = train_from(
            start,
            total_steps=wanted,
            config=config,
            run=run,
            device=device,
            keep_replay=keep_replay,
        )
    else:
        result = train(
            env or DEFAULT_ENV,
            seeds=parse_seeds(seeds),
            total_steps=wanted,
            config=config,
            run=run,
            device=device,
        )
    return _ended(result)


@app.command
def offline(
    *,
    dataset: str,
    env: str | None = None,
    seeds: str = "0",
    updates: int = 1_000_000,
    device: str = "auto",
    config: OmitArgPrefixes[TD7Config] = TD7Config(),
    run: OmitArgPrefixes[RunConfig] = RunConfig(),
) -> int:
    """Train TD7 on a fixed data set, one member for each seed; `td7 train --resume` goes on.

    Args:
        dataset: Minari id (mujoco/halfcheetah/medium-v0, downloaded if need be) or folder, or a
            file with D4RL's arrays, .hdf5 or .npz.
        env: Environment to evaluate in; by default the data set's own.
        seeds: Seeds to train at once: 3 or 0,1,5 or 0:10 (ten seeds).
        updates: Updates of each seed; evaluations come every --eval-every updates.
        device: auto, cpu, cuda or cuda:N.
        config: Hyper-parameters; there are no checkpoints, and the buffer holds the data at least.
        run: Where the run is written and how it is shown.
    """
    from td7.training.offline import train_offline

    result = train_offline(
        dataset,
        env=env,
        seeds=parse_seeds(seeds),
        updates=updates,
        config=config,
        run=run,
        device=device,
    )
    return _ended(result)


@app.command
def collect(
    run: Positional[Path],
    *,
    out: Annotated[Path, tyro.conf.arg(aliases=["-o"])],
    steps: int = 100_000,
    policy: Literal["evaluated", "checkpoint", "current", "random", "mixture"] = "evaluated",
    seed: int | None = None,
    noise: float = 0.1,
    collect_seed: int = 0,
    num_threads: int = 0,
    eval_max_steps: int | None = None,
    env: str | None = None,
) -> int:
    """Collect a Minari data set with a policy of a run.

    Args:
        run: Run folder.
        out: Folder of the data set, named as Minari wants: NAME-v0.
        steps: Transitions to collect; the last episode is cut there.
        policy: evaluated, the checkpoint where the run keeps one; checkpoint; current, as the run
            was saved last; random; or mixture, an episode of each in turn.
        seed: Which seed of the run, when it has several.
        noise: Standard deviation of the noise on the policy's actions, in units of half a range.
        collect_seed: Seed of the episodes: another one for other data.
        num_threads: C++ threads that run environments; 0 for one a processor.
        eval_max_steps: Steps after which an episode is cut; by default as the run was trained.
        env: Environment in place of the run's own, of the same sizes and bounds.
    """
    from td7.datasets.record import collect as collect_dataset

    facts = collect_dataset(
        run,
        out,
        steps=steps,
        policy=policy,
        seed=seed,
        noise=noise,
        collect_seed=collect_seed,
        num_threads=num_threads,
        max_steps=eval_max_steps,
        env=env,
    )
    say(
        f"{out}: {facts.transitions:,} transitions, episodes: {facts.episodes}, "
        f"mean return {facts.mean_return:.1f}"
    )
    return 0


@app.command(name="eval")
def evaluate(
    run: Positional[Path],
    *,
    seed: int | None = None,
    episodes: int = 10,
    eval_seed: int = 1000,
    eval_max_steps: int | None = None,
    num_envs: int | None = None,
    env: str | None = None,
) -> int:
    """Evaluate the policy of every seed (or one) of a run without exploration noise.

    Args:
        run: Run folder.
        seed: Only this seed of the run.
        episodes: Episodes for each policy.
        eval_seed: Seed of the evaluation environment.
        eval_max_steps: Steps after which an episode is cut; by default as the run was trained.
        num_envs: Environments that run at once; by default as many as episodes, 64 at most, or one
            for a run with --eval-in-training-env or --eval-episodes 0.
        env: Environment in place of the run's own, of the same sizes and bounds.
    """
    from td7.training.evaluate import evaluate_run

    results = evaluate_run(
        run,
        seed=seed,
        episodes=episodes,
        eval_seed=eval_seed,
        max_steps=eval_max_steps,
        num_envs=num_envs,
        env=env,
    )
    for result in results:
        say(str(result))
    return int(stdout_is_lost())


@app.command
def export(
    run: Positional[Path],
    *,
    out: Annotated[Path, tyro.conf.arg(aliases=["-o"])],
    format: str = "onnx,torchscript",
    seed: int | None = None,
    which: Literal["checkpoint", "current"] | None = None,
    untrained: bool = False,
    env: str | None = None,
    opset: int | None = None,
) -> int:
    """Export a run's policy and encoders as a bundle that is verified before it appears.

    Args:
        run: Run folder.
        out: Bundle folder to make.
        format: Formats to write, separated by commas, and no others: onnx, torchscript,
            torch-export, cpp (weights as source).
        seed: Which seed of the run, when it has several.
        which: checkpoint or current; by default the policy that the run evaluates.
        untrained: Export the policy even if it has made no update.
        env: Environment in place of the run's own, of the same sizes and bounds.
        opset: ONNX operator set, 17 to 23; by default torch's own. Old runtimes and onnx2torch read
            17.
    """
    from td7.deploy.bundle import SCHEMA
    from td7.deploy.export import export as export_bundle
    from td7.files.whole import read_json
    from td7.run.policies import moment_of

    formats: Any = [each.strip() for each in format.split(",")]
    difference = export_bundle(
        run,
        out,
        seed=seed,
        formats=formats,
        which=which,
        untrained=untrained,
        env=env,
        opset=opset,
    )
    facts = read_json(out / "manifest.json", SCHEMA)
    say(f"policy: seed {facts.get('seed')} ({facts.get('policy')}), saved at: {moment_of(facts)}")
    say(f"{out}: verified, largest difference from eager torch {difference:.2e}")
    return 0


@app.command
def verify(bundle: Positional[Path], *, env: str | None = None, sha256: str | None = None) -> int:
    """Check a bundle's checksums, replay its test vectors in every format, and time the policy.

    Args:
        bundle: Bundle folder.
        env: Environment to drive with each way to run the policy; its code is run.
        sha256: What manifest_sha256 must be, told by somebody whom you trust.
    """
    from td7.deploy import trial
    from td7.deploy.verify import read_bundle, replay

    whole = read_bundle(bundle, sha256)
    for text in whole.warnings:
        print(f"warning: {text}")
    results = replay(whole)
    for result in results:
        say(f"{result.file:24} {result.vectors} vectors  difference {result.difference:.2e}")
    for line in trial.report(whole, env):
        say(line)
    worst = max(result.difference for result in results if result.exact)
    say(f"verified, largest difference {worst:.2e}")
    return int(stdout_is_lost())


@app.command
def plot(
    runs: Positional[tuple[Path, ...]], *, out: Annotated[Path, tyro.conf.arg(aliases=["-o"])]
) -> int:
    """Draw the learning curves of runs.

    Args:
        runs: Run folders.
        out: Picture to write (png, svg or pdf).
    """
    from td7.study.plot import plot_runs

    say(str(plot_runs(runs, out)))
    return 0


@app.command
def doctor() -> int:
    """Show versions, CPU features, the GPU and what is missing."""
    from td7.doctor import report

    for subject, finding in report():
        say(f"{subject:14} {finding}")
    return int(stdout_is_lost())


def _offer_settings(config: type[AlgorithmConfig]) -> None:
    """Let `train` take the hyper-parameters of an algorithm as options, and show them in --help."""
    command: Any = train
    command.__annotations__["config"] = OmitArgPrefixes[config]  # type: ignore[valid-type,misc]
    command.__kwdefaults__["config"] = config()


def _ended(result: TrainResult) -> int:
    """Print a run's folder; return the exit status, 130 for a run that a signal stopped."""
    say(f"run: {result.folder}")
    return 0 if result.finished else 130


def parse_seeds(text: str) -> list[int]:
    """Parse 3, 0,1,5 or 0:10 (from the first up to, not including, the second)."""
    seeds: Sequence[int] = []
    try:
        if ":" in text:
            first, last = map(int, text.split(":"))
            seeds = range(first, min(last, first + MOST_SEEDS + 1))
        else:
            seeds = [int(item) for item in text.split(",")]
    except ValueError:
        pass
    if not seeds:
        raise ValueError(f"seeds must be like 3, 0,1,5 or 0:10, got {reprlib.repr(text)}")
    if len(seeds) > MOST_SEEDS:
        raise ValueError(f"seeds must be at most {MOST_SEEDS}, got {text!r}")
    return list(seeds)


def main(args: Sequence[str] | None = None) -> None:
    """Run the command line; exit 0 when all went well, 1 with one line of reason, 2 for misuse.

    Output that cannot be written stops no command: a closed pipe is no error, and a full disk one
    of those commands alone whose result is what they print (eval, verify, doctor).
    """
    with output_that_never_raises():
        code = _run(args)
    sys.exit(code)


def _run(args: Sequence[str] | None) -> int:
    """Run a command and return its exit status; errors go to stderr."""
    args = sys.argv[1:] if args is None else args
    try:
        check_options(args)
        _offer_settings(CONFIGS[chosen_algorithm(args)])
        return app.cli(prog="td7", args=args, description="TD7 reinforcement learning.")
    except KeyboardInterrupt:
        print("td7: interrupted", file=sys.stderr)
        return 130
    except ERRORS as error:
        print(f"td7: error: {terminal_text(reason(error), lines=True)}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    main()
