"""The environments' examples in the README run as they are printed."""

import re
from pathlib import Path

import numpy as np

import td7

README = Path(__file__).parents[2] / "README.md"
CART = """<mujoco><option timestep="0.005"/><worldbody>
  <body><joint name="slide" type="slide" axis="1 0 0" damping="1"/><geom size=".1" mass="1"/></body>
</worldbody><actuator><motor joint="slide" gear="10" ctrlrange="-1 1"/></actuator></mujoco>"""


def example_with(text):
    blocks = re.findall(r"```python\n(.*?)```", README.read_text(), re.DOTALL)
    (example,) = (block for block in blocks if text in block)
    return example


def test_the_example_of_make_vec_steps_64_environments():
    names = {}
    exec(compile(example_with("make_vec("), "README.md", "exec"), names)
    assert names["obs"].shape == (64, 17)
    assert names["rewards"].shape == (64,)


def test_the_example_robot_trains_and_is_another_each_episode(tmp_path, small_config):
    (tmp_path / "cart.py").write_text(example_with("class Cart(Task)"))
    (tmp_path / "cart.xml").write_text(CART)
    name = f"{tmp_path / 'cart.py'}:Cart"
    envs = td7.make_vec(name, num_envs=4)
    envs.reset(seed=0)
    rewards = np.array([envs.step(np.ones((4, 1), np.float32))[1] for _ in range(200)])
    assert len(set(rewards[-1])) == 4
    run = td7.RunConfig(out=tmp_path / "run", tensorboard=False, progress="none")
    config = small_config(warmup_steps=250, num_envs=2)
    assert td7.train(name, total_steps=600, config=config, run=run).finished
