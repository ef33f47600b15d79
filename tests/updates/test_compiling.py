"""Compiling comes before the first update: what goes wrong there costs nothing."""

import signal

import pytest
from test_resume import assert_same, stop_after

import td7
from td7.updates import learner
from td7.updates.learner import Learner

__all__ = ["stop_after"]


@pytest.fixture
def run_compiled(small_config, quiet, monkeypatch):
    """Return what trains a run that is said to be compiled, by functions that are not."""
    monkeypatch.setattr(learner, "compiled", lambda function, execution: function)
    config = small_config(execution="compiled")
    return lambda run: td7.train("Toy/Point-v0", seeds=[1], total_steps=300, config=config, run=run)


def test_a_compilation_that_fails_once_is_tried_again_without_the_cache(
    run_compiled, quiet, monkeypatch
):
    run_compiled(quiet("whole"))
    compile_once, tries = Learner.compile, []

    def half_a_file(self, batch, noise):
        tries.append(torch_cache())
        if len(tries) == 1:
            raise ImportError("main.so: file too short")
        compile_once(self, batch, noise)

    monkeypatch.setattr(Learner, "compile", half_a_file)
    assert run_compiled(quiet("again")).finished
    assert len(tries) == 2 and tries[0] != tries[1]
    assert_same(quiet("again").out, quiet("whole").out)


def torch_cache():
    from torch._inductor.runtime.cache_dir_utils import cache_dir

    return cache_dir()


def test_a_compilation_that_fails_leaves_a_state_that_goes_on(run_compiled, quiet, monkeypatch):
    run_compiled(quiet("whole"))

    def no_compiler(self, batch, noise):
        raise OSError("no space left\nand much more")

    with monkeypatch.context() as patch, pytest.raises(RuntimeError) as error:
        patch.setattr(Learner, "compile", no_compiler)
        run_compiled(quiet("failed"))
    told = "updates cannot be compiled (OSError: no space left): execution 'eager' goes without"
    assert str(error.value) == told
    assert td7.resume(quiet("failed").out, run=quiet("failed")).finished
    assert_same(quiet("failed").out, quiet("whole").out)


def test_a_stop_while_compiling_loses_nothing(run_compiled, quiet, monkeypatch):
    run_compiled(quiet("whole"))

    def killed(self, batch, noise):
        signal.raise_signal(signal.SIGTERM)  # reaches the compiler too
        raise RuntimeError("the compiler was killed")

    with monkeypatch.context() as patch:
        patch.setattr(Learner, "compile", killed)
        assert not run_compiled(quiet("cut")).finished
    assert td7.resume(quiet("cut").out, run=quiet("cut")).finished
    assert_same(quiet("cut").out, quiet("whole").out)
