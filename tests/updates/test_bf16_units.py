"""bf16 on a CPU without bfloat16 units is refused unless it is forced; `td7 doctor` names them."""

import dataclasses
import re

import pytest

import td7
from benchmarks import update
from td7 import doctor, machine
from td7.config import RunConfig
from td7.run import placement

ZEN_3 = "model name\t: AMD EPYC 7763\nflags\t\t: fpu sse2 avx avx2 fma sha_ni\n"
SAPPHIRE_RAPIDS = "model name\t: Xeon\nflags\t\t: fpu avx2 avx512f avx512_bf16 amx_bf16\n"
NEOVERSE_V1 = "processor\t: 0\nFeatures\t: fp asimd sve svebf16 i8mm bf16\n"
WITHOUT_LIST = ""  # macOS has no /proc/cpuinfo


@pytest.fixture
def on_cpu(monkeypatch):
    """Return a function that replaces what the kernel says of this machine's processor."""
    monkeypatch.delenv("TD7_ALLOW_SLOW_BF16", raising=False)
    return lambda cpuinfo: monkeypatch.setattr(machine, "_cpuinfo", lambda: cpuinfo)


@pytest.mark.parametrize(
    ("cpuinfo", "units", "said"),
    [
        (ZEN_3, [], "no units: --precision bf16 is refused on this CPU"),
        ("flags\t\t: fpu sse2\n", [], "no units: --precision bf16 is refused on this CPU"),
        (SAPPHIRE_RAPIDS, ["avx512_bf16", "amx_bf16"], "units: avx512_bf16, amx_bf16"),
        (NEOVERSE_V1, ["bf16", "svebf16"], "units: bf16, svebf16"),
        (WITHOUT_LIST, None, "unknown: this system does not list the processor's instructions"),
    ],
)
def test_doctor_says_whether_the_cpu_has_bfloat16_units(on_cpu, cpuinfo, units, said):
    on_cpu(cpuinfo)
    assert machine.bf16_units() == units
    assert dict(doctor.report())["cpu bf16"].startswith(said)


def test_bf16_is_refused_on_a_cpu_that_emulates_it(on_cpu, small_config, quiet, tmp_path):
    on_cpu(ZEN_3)
    message = (
        "precision 'bf16' needs a GPU or a CPU with bfloat16 units (avx512_bf16, amx_bf16, bf16, "
        "svebf16), got AMD EPYC 7763, which emulates them: 0.03 x the updates per second of "
        "'float32', measured on an AMD EPYC (Zen 3). Use 'float32', or set TD7_ALLOW_SLOW_BF16=1"
    )
    with pytest.raises(ValueError, match=re.escape(message)):
        td7.train(
            "Toy/Point-v0",
            total_steps=150,
            config=small_config(precision="bf16"),
            run=quiet(),
            device="cpu",
        )
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("cpuinfo", [SAPPHIRE_RAPIDS, WITHOUT_LIST, ZEN_3])
def test_bf16_trains_with_units_or_where_they_are_unknown_or_if_forced(
    on_cpu, small_config, quiet, monkeypatch, cpuinfo
):
    on_cpu(cpuinfo)
    if cpuinfo is ZEN_3:
        monkeypatch.setenv("TD7_ALLOW_SLOW_BF16", "1")
    config = small_config(precision="bf16", warmup_steps=100)
    run = quiet()
    td7.train("Toy/Point-v0", total_steps=120, config=config, run=run, device="cpu")
    on_cpu(ZEN_3)
    monkeypatch.delenv("TD7_ALLOW_SLOW_BF16", raising=False)
    with pytest.raises(ValueError, match="precision 'bf16' needs a GPU or a CPU with"):
        td7.resume(run.out, total_steps=130, run=RunConfig(progress="none"))


@pytest.mark.parametrize("precision", ["float32", "bf16"])
def test_other_precisions_and_gpus_are_decided_without_a_look_at_the_cpu(
    on_cpu, small_config, precision
):
    on_cpu(ZEN_3)
    config = small_config(precision=precision, replay="host", execution="eager")
    settings = placement.checked_settings("Toy/Point-v0", [0], 100, config, "cpu")
    if precision == "bf16":
        settings = dataclasses.replace(settings, device="meta")  # stands for a GPU
    assert placement.decided(settings, 2, 1).config.precision == precision


@pytest.mark.parametrize(
    ("cpuinfo", "device", "precisions"),
    [
        (ZEN_3, "cpu", ["float32"]),
        (SAPPHIRE_RAPIDS, "cpu", ["float32", "bf16"]),
        (ZEN_3, "cuda", ["float32", "tf32", "bf16"]),
    ],
)
def test_the_update_benchmark_leaves_emulated_bf16_out(
    on_cpu, tmp_path, cpuinfo, device, precisions
):
    on_cpu(cpuinfo)
    arguments = ["--json", str(tmp_path / "out.json"), "--device", device]
    assert update.parse(arguments).precisions == precisions
    assert update.parse([*arguments, "--precisions", "bf16"]).precisions == ["bf16"]
