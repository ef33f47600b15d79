"""The replay's examples run as they are printed."""

import inspect
import re
import textwrap
from pathlib import Path
from types import SimpleNamespace

import numpy as np

from td7.replay import LapReplay

README = Path(__file__).parents[2] / "README.md"


def test_the_example_in_the_readme_fills_a_replay():
    blocks = re.findall(r"```python\n(.*?)```", README.read_text(), re.DOTALL)
    (example,) = (block for block in blocks if "LapReplay(" in block)
    names = {}
    exec(compile(example, "README.md", "exec"), names)
    assert names["replay"].size() == 1000
    assert names["batch"].obs.shape == (1, 256, 3)


def test_the_example_in_the_docstring_is_a_ten_line_algorithm():
    example = inspect.getdoc(LapReplay).split("::\n\n")[1].split("\n\n")[0]
    example = textwrap.dedent(example)
    assert len(example.splitlines()) == 10
    steps = iter(range(301))
    obs = np.zeros(17, np.float32)

    class Training:
        def __bool__(self):
            return next(steps) < 300

    def learn(batch):
        return np.abs(batch.reward)

    def step(action):
        return obs + np.float32(1), 1.0, False, False, {}

    names = {
        "LapReplay": LapReplay,
        "env": SimpleNamespace(reset=lambda: (obs, {}), step=step),
        "policy": lambda _: np.zeros(6, np.float32),
        "training": Training(),
        "learn": learn,
    }
    exec(compile(example, "docstring", "exec"), names)
    assert names["replay"].size() == 300
