"""The door to the extension: another MuJoCo than the one it was built for is named."""

import importlib.util
import re
import sys
from importlib import metadata

import mujoco
import pytest

import td7
from td7 import extension


def fresh_import():
    """Runs extension.py as if for the first time."""
    spec = importlib.util.spec_from_file_location("extension_again", extension.__file__)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def no_core(monkeypatch):
    """The extension cannot be loaded, as when the linker does not find its libmujoco."""
    monkeypatch.delattr(td7, "_core", raising=False)
    monkeypatch.setitem(sys.modules, "td7._core", None)
    return monkeypatch


def test_another_mujoco_is_named_with_the_one_that_is_wanted(no_core):
    pin = next(r for r in metadata.requires("td7") if r.startswith("mujoco=="))
    no_core.setattr(mujoco, "__version__", "9.9.9")
    text = f"built for mujoco {pin.removeprefix('mujoco==')} but mujoco 9.9.9 is installed"
    with pytest.raises(ImportError, match=re.escape(text)):
        fresh_import()


def test_any_other_failure_keeps_its_own_words(no_core):
    with pytest.raises(ImportError, match=r"td7\._core") as caught:
        fresh_import()
    assert "installed" not in str(caught.value)


def test_a_loaded_library_of_another_version_is_refused(monkeypatch):
    class OtherCore:
        @staticmethod
        def mujoco_versions():
            return 4000000, 9000000

    monkeypatch.setattr(td7, "_core", OtherCore, raising=False)
    with pytest.raises(ImportError, match="built for MuJoCo 4000000 but MuJoCo 9000000"):
        fresh_import()
