"""The counter-based generator: known answers, purity, and the moments of what it yields."""

import numpy as np
import pytest
from replay_twin import block, philox4x32, uniform

from td7.extension import core


def fill(function, dtype, n, *, seeds=(5,), stream="noise", counters=(0,)):
    out = np.empty((len(seeds), n), dtype)
    function(np.array(seeds, np.uint64), stream, np.array(counters, np.int64), out)
    return out


def uniforms(n, **arguments):
    return fill(core.fill_uniform, np.float64, n, **arguments)


def normals(n, **arguments):
    return fill(core.fill_normal, np.float32, n, **arguments)


@pytest.mark.parametrize(
    ("counter", "key", "answer"),
    [
        ((0,) * 4, (0,) * 2, (0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8)),
        ((0xFFFFFFFF,) * 4, (0xFFFFFFFF,) * 2, (0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD)),
        (
            (0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344),
            (0xA4093822, 0x299F31D0),
            (0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1),
        ),
    ],
)
def test_philox_gives_the_published_answers(counter, key, answer):
    assert philox4x32(counter, key) == list(answer)


def test_uniforms_are_the_twins_to_the_bit():
    seeds, counters = (0, 2**64 - 1, 123), (0, 2**63 - 1, 2**32)
    drawn = uniforms(7, seeds=seeds, stream="replay", counters=counters)
    for p in range(3):
        expected = [uniform(seeds[p], "replay", counters[p], i) for i in range(7)]
        np.testing.assert_array_equal(drawn[p], expected)


def test_normals_are_box_muller_of_the_twins_blocks():
    drawn = normals(9)[0]
    for i in range(9):
        w = [int(word) for word in block(5, "noise", 0, i // 2)]
        u, v = (((high << 32 | low) >> 11) * 2.0**-53 for low, high in (w[:2], w[2:]))
        turn = (np.cos, np.sin)[i % 2]
        assert drawn[i] == pytest.approx(
            np.sqrt(-2 * np.log(1 - u)) * turn(2 * np.pi * v), rel=1e-6
        )


def test_each_number_depends_on_seed_stream_and_counter_alone():
    one = normals(100, seeds=(1,), counters=(4,))[0]
    np.testing.assert_array_equal(one, normals(100, seeds=(9, 1), counters=(0, 4))[1])
    np.testing.assert_array_equal(one[:51], normals(51, seeds=(1,), counters=(4,))[0])
    others = [
        normals(100, seeds=(2,), counters=(4,)),
        normals(100, seeds=(1 + 2**32,), counters=(4,)),
        normals(100, seeds=(1,), counters=(5,)),
        normals(100, seeds=(1,), counters=(4 + 2**32,)),
        normals(100, seeds=(1,), counters=(4,), stream="other"),
    ]
    for other in others:
        assert not np.any(other[0] == one)


def test_uniforms_have_the_moments_of_the_uniform_distribution():
    n = 1_000_000
    u = uniforms(n)[0]
    assert u.min() >= 0.0
    assert u.max() < 1.0
    assert abs(u.mean() - 1 / 2) < 4 * np.sqrt(1 / 12 / n)
    assert abs(u.var() - 1 / 12) < 4 * np.sqrt(1 / 180 / n)
    assert abs(np.corrcoef(u[::2], u[1::2])[0, 1]) < 4 / np.sqrt(n / 2)
    counts = np.histogram(u, 256, (0, 1))[0]
    chi_square = np.sum((counts - n / 256) ** 2 / (n / 256))
    assert abs(chi_square - 255) < 4 * np.sqrt(2 * 255)


def test_normals_have_the_moments_of_the_normal_distribution():
    n = 1_000_000
    z = normals(n)[0].astype(np.float64)
    # variances of the sample moments of a standard normal: 1, 2, 15, 96 over n
    for power, mean, variance in ((1, 0, 1), (2, 1, 2), (3, 0, 15), (4, 3, 96)):
        assert abs(np.mean(z**power) - mean) < 4 * np.sqrt(variance / n)
    assert abs(np.mean(np.abs(z) > 1.959964) - 0.05) < 4 * np.sqrt(0.05 * 0.95 / n)
    assert abs(np.corrcoef(z[::2], z[1::2])[0, 1]) < 4 / np.sqrt(n / 2)
    assert abs(np.corrcoef(z[::2] ** 2, z[1::2] ** 2)[0, 1]) < 4 / np.sqrt(n / 2)


def test_bad_arguments_are_refused_by_name():
    seeds, counters = np.zeros(2, np.uint64), np.zeros(2, np.int64)
    out = np.empty((2, 3))
    cases = [
        ((seeds.astype(np.int64), counters, out), r"seeds must be uint64 \[P\] .* got int64 \[2\]"),
        ((seeds, counters[:1], out), r"counters must be int64 \[2\] .* got int64 \[1\]"),
        ((seeds, counters, out.astype(np.float32)), r"out must be float64 \[2, n\] .* got float32"),
        ((seeds, counters - 1, out), r"counters\[0\] must not be negative, got -1"),
    ]
    for (s, c, o), message in cases:
        with pytest.raises(ValueError, match=message):
            core.fill_uniform(s, "noise", c, o)
