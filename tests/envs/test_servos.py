"""Position servos as a controller with one PD law a joint knows them."""

import mujoco
import numpy as np
import pytest

from td7.envs.servos import position_servos

XML = """<mujoco><worldbody><body><joint name="a" axis="0 1 0" ref="{ref}"/>
<geom size="0.05" pos="0 0 0.2"/><body pos="0 0 0.2"><joint name="b" type="slide" axis="1 0 0"/>
<geom size="0.05" pos="0 0 0.2"/><site name="s"/></body></body></worldbody>
<tendon><fixed name="t"><joint joint="a" coef="1"/></fixed></tendon>
<actuator>{actuators}</actuator></mujoco>"""
PASSIVE = '<dcmotor name="d" joint="a" motorconst="0" resistance="1" input="none"/>'
SERVO = '<position name="x" joint="b" kp="12" kv="0.5" ctrlrange="-1 1"/>'
FORMS = {
    "plain": '<position joint="a" kp="30" kv="2"/>',
    "geared": '<position joint="a" kp="30" kv="2" gear="-2.5"/>',
    "critically damped": '<position joint="a" kp="30" dampratio="1"/>',
    "pid of a position": '<pid joint="a" kp="30" kv="2" input="pos"/>',
    "general": '<general joint="a" gainprm="7" biastype="affine" biasprm="0 -7 -0.3"/>',
}


def model_of(actuators, ref="0"):
    return mujoco.MjModel.from_xml_string(XML.format(actuators=actuators, ref=ref))


@pytest.mark.parametrize("form", FORMS)
def test_the_pd_law_of_the_metadata_is_the_torque_of_mujoco(form):
    """Torques of mj_forward against the formula that a controller computes, in random states."""
    model = model_of(PASSIVE + FORMS[form] + SERVO)
    servos = {name: np.array(values) for name, values in position_servos(model).items()}
    data, random = mujoco.MjData(model), np.random.default_rng(0)
    for _ in range(20):
        data.qpos, data.qvel, data.ctrl = random.uniform(-1, 1, (3, 2))
        mujoco.mj_forward(model, data)
        wanted = servos["default_joint_pos"] + servos["action_scale"] * data.ctrl
        torque = servos["joint_stiffness"] * (wanted - data.qpos)
        torque -= servos["joint_damping"] * data.qvel
        np.testing.assert_allclose(data.qfrc_actuator, torque, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize(
    "actuators",
    [
        '<motor joint="a"/>',
        '<velocity joint="a" kv="2"/>',
        '<pid joint="a" kp="3" kv="1"/>',
        '<pid joint="a" kp="3" kv="1" input="vel"/>',
        '<pid joint="a" kp="3" kv="1" ki="1" imax="1" input="pos"/>',
        '<position tendon="t" kp="3"/>',
        '<position site="s" gear="0 0 1 0 0 0" kp="3"/>',
        '<position joint="a" kp="3" timeconst="0.1"/>',
        '<position joint="a" kp="3"/><position joint="a" kp="3"/>',
        '<general joint="a" gainprm="7" biastype="affine" biasprm="0 -6 0"/>',
        '<general joint="a" gainprm="7" biastype="affine" biasprm="1 -7 0"/>',
    ],
)
def test_nothing_is_said_of_other_actuators(actuators):
    assert position_servos(model_of(SERVO)) and position_servos(model_of(SERVO + actuators)) == {}


def test_no_target_is_offered_that_a_reference_position_would_shift():
    assert position_servos(model_of(FORMS["plain"], ref="20")).keys() == {
        "joint_stiffness",
        "joint_damping",
    }
