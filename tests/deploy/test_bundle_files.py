"""Which files of a bundle must be as they were written, and which only warn."""

import re
import shutil

import pytest
import torch
from controller_bundle import SMALL, policy_of

from td7.cli import main
from td7.deploy import trial
from td7.deploy.export import write_bundle
from td7.deploy.verify import verify
from td7.policy.saved import Policy


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    folder = tmp_path_factory.mktemp("bundles") / "bundle"
    folder.mkdir()
    policy = policy_of(SMALL)
    policy.low.copy_(torch.tensor([-1.0, 0.0]))
    policy.high.copy_(torch.tensor([3.0, 0.5]))
    write_bundle(Policy(policy, {"env": "Toy/Point-v0"}), folder, ["cpp", "torchscript"])
    return folder


@pytest.fixture
def bundle(written, tmp_path):
    return shutil.copytree(written, tmp_path / "bundle")


@pytest.mark.parametrize(
    "name",
    [".DS_Store", "._policy.onnx", "Thumbs.db", "extra.txt", "__MACOSX/._policy.pt", ".git/a/b"],
)
def test_an_extra_file_that_no_runtime_reads_warns(bundle, name, capsys, monkeypatch):
    (bundle / name).parent.mkdir(parents=True, exist_ok=True)
    (bundle / name).write_text("hello")
    text = rf"{bundle / name}: .* differ in this file: it is not in the manifest \(no runtime reads"
    with pytest.warns(UserWarning, match=text):
        assert verify(bundle)
    monkeypatch.setattr(trial, "CALLS", 20)
    with pytest.raises(SystemExit) as end:
        main(["verify", str(bundle)])
    shown = capsys.readouterr().out
    assert end.value.code == 0 and len(re.findall(f"(?m)^warning: {text}", shown)) == 1


def test_a_folder_of_extra_files_warns_once(bundle):
    (bundle / ".git").mkdir()
    for number in range(5):
        (bundle / ".git" / f"{number}.json").write_text("{}")
    with pytest.warns(UserWarning, match=r"0\.json: .* not in the manifest") as caught:
        assert verify(bundle)
    assert sum("not in the manifest" in str(each.message) for each in caught) == 1


def test_the_name_of_an_extra_file_does_not_act_on_the_terminal(bundle):
    (bundle / "\x1b[2J").touch()
    with pytest.warns(UserWarning, match=r"/\\x1b\[2J: the folder and its manifest differ"):
        assert verify(bundle)


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (lambda old: old + b"More.\n", r"written \(SHA-256 differs\) \(no runtime reads it\)$"),
        (
            lambda old: old.replace(b"\n", b"\r\n"),
            r"lines end in CRLF, .* \(no runtime reads it\)$",
        ),
        (lambda old: b"More.\r\n" + old, r"written \(SHA-256 differs\) \(no runtime reads it\)$"),
        (None, r"differ in this file: it is missing \(no runtime reads it\)$"),
    ],
)
def test_a_readme_that_was_edited_converted_or_deleted_warns(bundle, change, text):
    path = bundle / "README.md"
    content = path.read_bytes()
    path.unlink()
    if change:
        path.write_bytes(change(content))
    with pytest.warns(UserWarning, match=rf"README\.md.* {text}"):
        assert verify(bundle)


@pytest.mark.parametrize(
    "name", ["policy.onnx", "b.PT", "x.pt2", "w.safetensors", "weights.h", "b.json"]
)
def test_an_extra_file_that_a_runtime_might_read_is_refused(bundle, name):
    (bundle / name).write_text("hello")
    with pytest.raises(ValueError, match=f"{name}: the folder and its manifest differ"):
        verify(bundle)


@pytest.mark.parametrize(
    "name", ["policy.safetensors", "vectors.safetensors", "policy.pt", "policy.h", "manifest.json"]
)
def test_a_file_that_is_read_is_refused_once_it_is_altered_or_missing(bundle, name):
    content = (bundle / name).read_bytes()
    (bundle / name).write_bytes(content[:-9] + b"x" + content[-8:])
    with pytest.raises(ValueError, match=f"{name}"):
        verify(bundle)
    (bundle / name).unlink()
    with pytest.raises(ValueError, match=rf"{name}: .* is missing|no {name}"):
        verify(bundle)


@pytest.mark.parametrize("name", ["policy.h", "manifest.json"])
def test_other_ends_of_lines_are_named_as_the_cause(bundle, name):
    path = bundle / name
    content = path.read_bytes().replace(b"\n", b"\r\n")
    path.write_bytes(content)
    text = rf"{name} is not as .*: its lines end in CRLF, .* '{name} -text' stops that"
    with pytest.raises(ValueError, match=text):
        verify(bundle)
    path.write_bytes(content.replace(b"0", b"1", 1))
    with pytest.raises(ValueError, match=rf"{name} is not as it was written \(\S+ differs\)$"):
        verify(bundle)


def test_a_stray_file_does_not_hide_what_is_wrong_with_the_manifest(bundle):
    (bundle / ".DS_Store").touch()
    path = bundle / "manifest.json"
    path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
    with pytest.raises(ValueError, match=r"manifest\.json is not as .*: its lines end in CRLF"):
        verify(bundle)
