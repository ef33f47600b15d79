"""The defaults that csrc/rollout/tasks states for each task are those of Gymnasium."""

import importlib
import inspect
from pathlib import Path

import gymnasium
import mujoco
import numpy as np
import pytest
from test_controller import run
from test_replay_cpp import COMPILER, ROOT

from td7.envs.native.engine import _arguments
from td7.extension import core

MUJOCO = Path(mujoco.__file__).parent
NUMPY = Path(np.__file__).parent
MODELS = Path(gymnasium.__file__).parent / "envs" / "mujoco" / "assets"

DEFAULTS = """
#include <cstdio>
#include "rollout/tasks/defaults.h"
struct Print {
  void operator()(bool x) const { std::printf("%s", x ? "True" : "False"); }
  void operator()(std::int64_t x) const { std::printf("%lld", static_cast<long long>(x)); }
  void operator()(double x) const { std::printf("float('%.17g')", x); }
  void operator()(const td7::Range& x) const {
    std::printf("(float('%.17g'), float('%.17g'))", x.first, x.second);
  }
  void operator()(const std::string& x) const { std::printf("'%s'", x.c_str()); }
};
int main(int, char** ids) {
  while (*++ids != nullptr) {
    const td7::TaskDefaults defaults = td7::DefaultsOf(*ids);
    std::printf("('%s', %d, {", defaults.model_file.c_str(),
                static_cast<int>(defaults.max_episode_steps));
    for (const auto& [name, value] : defaults.args) {
      std::printf("'%s': ", name.c_str());
      std::visit(Print(), value);
      std::printf(", ");
    }
    std::printf("})\\n");
  }
}
"""


def test_the_defaults_of_every_task_are_gymnasium_s(tmp_path):
    if COMPILER is None:
        pytest.skip("no C++ compiler is installed")
    (tmp_path / "print.cc").write_text(DEFAULTS)
    rollout = ROOT / "csrc" / "rollout"
    sources = [
        tmp_path / "print.cc",
        rollout / "numpy_generator.cc",
        rollout / "task_args.cc",
        *rollout.glob("tasks/*.cc"),
    ]
    folders = [ROOT / "csrc", MUJOCO / "include", NUMPY / "_core" / "include"]
    includes = [f"-I{folder}" for folder in folders]
    (library,) = [*MUJOCO.glob("libmujoco.so.*"), *MUJOCO.glob("libmujoco.*.dylib")]
    libraries = [NUMPY / "random" / "lib" / "libnpyrandom.a", library, f"-Wl,-rpath,{MUJOCO}"]
    command = [COMPILER, "-std=c++17", *includes, *sources, *libraries]
    run([*command, "-o", tmp_path / "print"])
    ids = core.task_ids()
    lines = run([tmp_path / "print", *ids]).splitlines()
    for env_id, line in zip(ids, lines, strict=True):
        model, steps, arguments = eval(line, {"float": float})
        spec = gymnasium.spec(env_id)
        module, name = spec.entry_point.split(":")
        signature = inspect.signature(getattr(importlib.import_module(module), name).__init__)
        wanted = _arguments(env_id, signature, {})
        assert arguments == wanted and (MODELS / model).exists()
        for key, value in wanted.items():
            assert type(arguments[key]) is type(value), (env_id, key)
        assert model == signature.parameters["xml_file"].default
        assert steps == spec.max_episode_steps
