"""The policies that a run's states hold: links to them in policy/, and reading them."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

from td7.files.whole import SchemaError, sync
from td7.policy.saved import Policy, load_policy
from td7.run.folder import policy_folder
from td7.run.saving import latest, read_sound

POLICY_FILES = ("policy.json", "policy.safetensors")


def link_policies(folder: Path, seeds: Sequence[int]) -> None:
    """Make each policy/seed-N a link to the state's policy; OSError where it cannot be made.

    Policies that an earlier td7 wrote there are replaced. Does nothing where no state holds one.
    """
    for seed in seeds:
        link = policy_folder(folder, seed)
        target = Path("..", policy_folder(Path("state"), seed))
        if not policy_folder(folder / "state", seed).is_dir():
            continue
        if link.is_symlink() and link.readlink() == target:
            continue
        if not link.parent.exists():
            link.parent.mkdir()
        if link.is_dir() and not link.is_symlink():
            if odd := sorted({path.name for path in link.iterdir()} - set(POLICY_FILES)):
                raise OSError(
                    f"{link} cannot be replaced: it holds {odd[0]}, which td7 did not write"
                )
            shutil.rmtree(link)
        link.unlink(missing_ok=True)
        link.symlink_to(target, target_is_directory=True)
        sync(link.parent)


def read_saved_policy(folder: Path, seed: int) -> Policy:
    """Load a seed's policy from a run's latest sound state.

    A run of a td7 whose states held no policies has it in policy/ alone. Raises ValueError, naming
    it, for a file that is not as saved, or a run without a saved state.
    """
    state = latest(folder)
    in_run = policy_folder(folder, seed)
    if state is None and not in_run.exists():
        raise ValueError(f"{folder} has no policy yet: no state was saved")
    if state is None or not policy_folder(state, seed).is_dir():
        return load_policy(in_run)
    within = policy_folder(Path(), seed)
    names = [str(within / name) for name in POLICY_FILES]
    try:
        return read_sound(folder, names, lambda state: load_policy(state / within))
    except SchemaError:
        return load_policy(in_run)  # of another td7, whose policies may be read all the same
