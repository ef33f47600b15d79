"""A run's environment is found again from another folder, and may be replaced by one that fits."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import task_twin

import td7
from td7.cli import main
from td7.datasets.record import collect
from td7.deploy.export import export
from td7.run.folder import read_settings
from td7.training.evaluate import evaluate_run

GYMNASIUM = """
import gymnasium
import toy_envs
class Mine(toy_envs.Point):
    pass
gymnasium.register("Mine-v0", Mine, max_episode_steps=50)
"""
TASK = """
from task_twin import Crawler
class Mine(Crawler):
    pass
"""
NAMES = {
    "module-id": ("mine_of_gymnasium.py", GYMNASIUM, "mine_of_gymnasium:Mine-v0"),
    "module-task": ("mine_of_tasks.py", TASK, "mine_of_tasks:Mine"),
    "file": ("mine_in_a_file.py", TASK, "mine_in_a_file.py:Mine"),
}
AFTERWARDS = """
import sys
from pathlib import Path
import td7
from td7.datasets.record import collect
from td7.deploy.export import export
from td7.training.evaluate import evaluate_run
run, out = Path(sys.argv[1]), Path(sys.argv[2])
quiet = td7.RunConfig(progress="none", tensorboard=False)
print(evaluate_run(run, episodes=1)[0])
export(run, out / "bundle", formats=["torchscript"])
collect(run, out / "mine-v0", steps=20)
td7.resume(run, total_steps=320, run=quiet)
start = td7.RunConfig(out=out / "second", progress="none", tensorboard=False)
config = td7.TD7Config(warmup_steps=10, batch_size=4, eval_episodes=1)
td7.train_from(run, total_steps=30, config=config, run=start)
evaluate_run(out / "second", episodes=1)
"""


def in_another_process(run, out):
    """Use a run in a process that has neither its folder nor its path."""
    out.mkdir()
    room = Path(task_twin.__file__).parent
    script = f"import sys; sys.path += {[str(room), str(room.parent)]!r}\n{AFTERWARDS}"
    command = [sys.executable, "-c", script, str(run), str(out)]
    return subprocess.run(command, cwd=out, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("name", NAMES)
def test_the_code_of_an_environment_is_found_from_another_folder_and_where_it_moved(
    name, small_config, quiet, tmp_path, monkeypatch
):
    file, code, env = NAMES[name]
    project = tmp_path / "project"
    project.mkdir()
    (project / file).write_text(code)
    monkeypatch.chdir(project)
    td7.train(env, total_steps=300, config=small_config(), run=quiet(out=project / "runs" / "one"))
    settings = read_settings(project / "runs" / "one")
    assert (settings.env_folder, settings.env_folder_from_run) == (str(project), "../..")

    done = in_another_process(project / "runs" / "one", tmp_path / "elsewhere")
    assert done.returncode == 0, done.stderr
    if name == "module-task":
        return  # it is found as a module of Gymnasium's is
    shutil.move(project, tmp_path / "moved")
    done = in_another_process(tmp_path / "moved" / "runs" / "one", tmp_path / "elsewhere-again")
    assert done.returncode == 0, done.stderr


def test_code_that_is_nowhere_is_named_with_what_helps(whole, tmp_path):
    run = tmp_path / "run"
    shutil.copytree(whole, run)
    path, content = run / "config.json", json.loads((run / "config.json").read_text())
    for env in ("gone/robot.py:Mine", "package_that_is_gone.robot:Mine-v0"):
        path.write_text(json.dumps(content | {"env": env, "env_folder": str(tmp_path)}))
        for command in ("eval", "export", "collect", "resume"):
            with pytest.raises(ValueError, match=r"there is no .*: name the .* env \(--env\)"):
                use(command, run, None, tmp_path)


def use(command, run, env, out):
    if command == "eval":
        return evaluate_run(run, episodes=1, env=env)
    if command == "export":
        return export(run, out / "bundle", formats=["torchscript"], env=env)
    if command == "collect":
        return collect(run, out / "data-v0", steps=20, env=env)
    quiet = td7.RunConfig(progress="none", tensorboard=False)
    return td7.resume(run, total_steps=320, run=quiet, env=env)


@pytest.mark.parametrize("command", ["eval", "export", "collect", "resume"])
def test_another_environment_must_have_the_sizes_and_bounds_of_the_runs(command, whole, tmp_path):
    run = tmp_path / "run"
    shutil.copytree(whole, run)
    with pytest.raises(ValueError, match=r"env must be of \(3, 2\) observations and actions"):
        use(command, run, "HalfCheetah-v5", tmp_path)
    with pytest.raises(ValueError, match="env must have the policy's action bounds"):
        use(command, run, "Toy/NarrowBounds-v0", tmp_path)
    with pytest.raises(ValueError, match="env must be a known Gymnasium id, got 'Toy/None-v0'"):
        use(command, run, "Toy/None-v0", tmp_path)
    assert read_settings(run).env == "Toy/Point-v0"
    assert use(command, run, "Toy/Ending-v0", tmp_path)
    resumed = command == "resume"
    assert read_settings(run).env == ("Toy/Ending-v0" if resumed else "Toy/Point-v0")


def test_the_command_line_takes_another_environment(whole, tmp_path, capsys):
    run = tmp_path / "run"
    shutil.copytree(whole, run)
    for arguments in (
        ("eval", run, "--episodes", "1"),
        ("export", run, "-o", tmp_path / "bundle", "--format", "torchscript"),
        ("collect", run, "-o", tmp_path / "data-v0", "--steps", "20"),
        ("train", "--resume", run, "--total-steps", "320", "--progress", "none"),
    ):
        command = [str(argument) for argument in arguments]
        for env, code in (("HalfCheetah-v5", 1), ("Toy/Ending-v0", 0)):
            with pytest.raises(SystemExit) as exit_info:
                main([*command, "--env", env])
            assert exit_info.value.code == code
        assert "env must be of (3, 2)" in capsys.readouterr().err


def test_a_run_saved_before_has_no_folder_of_code(whole, tmp_path):
    run = tmp_path / "run"
    shutil.copytree(whole, run)
    path = run / "config.json"
    content = json.loads(path.read_text())
    for name in ("env_folder", "env_folder_from_run", "wide_seeds"):
        del content[name]
    for name in ("max_episode_steps", "eval_max_steps", "eval_in_training_env"):
        del content["config"][name]
    path.write_text(json.dumps(content))
    assert read_settings(run).env_folder is None
    assert evaluate_run(run, episodes=1)
