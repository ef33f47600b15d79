"""Alterations of bytes, JSON and safetensors files, for tests/fuzz.py: functions of a Random."""

from __future__ import annotations

import hashlib
import json
import random
import re
import struct
from pathlib import Path
from typing import Any

DTYPES = "F64 F32 F16 BF16 I64 I32 U8 BOOL F8_E4M3 F8_E5M2 F4 C64 E8M0 f32 X".split()
TEXTS = (
    "",
    "inf",
    "-inf",
    "nan",
    "0",
    "../../etc/passwd",
    "/etc/passwd",
    "counters.json",
    "a\0b",
    "\ud800",
    "x" * 5000,
    "PCG64",
    "__metadata__",
    "train/q_mean",
)
INTEGERS = (0, 1, 2, -1, 255, 2**24, 2**31, -(2**31), 2**32, 2**40, 2**53, 2**62, 2**63, 2**64)
NUMBERS = (0.0, -0.0, 0.5, -1.5, 1.0, 1e-320, 3.5e38, 1e308, float("inf"), -float("inf"))
LENGTHS = (0, 1, 2, 7, 8, 2**16, 2**31, 2**32, 2**63, 2**64 - 1, 100_000_000, 100_000_001)


def edge(rng: random.Random) -> Any:
    """Return a value that few expect."""
    kind = rng.randrange(8)
    if kind == 0:
        return rng.choice((None, True, False, [], {}, [[]], {"": 0}, [0, 0], [-1], ["x"]))
    if kind == 1:
        return rng.choice(TEXTS)
    if kind == 2:
        return rng.choice(NUMBERS) if rng.randrange(4) else float("nan")
    if kind == 3:
        return rng.choice((10**400, -(10**400), 2**128, 2**1024))
    if kind == 4:
        value: Any = 0
        for _ in range(rng.choice((3, 40, 150, 300))):
            value = [value] if rng.randrange(2) else {"a": value}
        return value
    return rng.choice(INTEGERS)


def altered_json(rng: random.Random, value: Any) -> Any:
    """Alter a value of JSON in place, at one to three places, and return it."""
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        places = list(_places(value))
        if not places:
            return edge(rng)
        holder, key = rng.choice(places)
        _alter_place(rng, holder, key, places)
    return value


def _places(value: Any) -> Any:
    """Yield (container, key) of every value below this one."""
    waiting = [value]
    while waiting:
        holder = waiting.pop()
        pairs = holder.items() if isinstance(holder, dict) else enumerate(holder)
        for key, each in pairs:
            yield holder, key
            if isinstance(each, (dict, list)):
                waiting.append(each)


def _alter_place(rng: random.Random, holder: Any, key: Any, places: list[Any]) -> None:
    kind, value = rng.randrange(9), holder[key]
    if kind == 0:
        del holder[key]
    elif kind == 1:  # a second one, under another name or beside it
        if isinstance(holder, list):
            holder.insert(key, value)
        else:
            holder[rng.choice((*TEXTS, f"{key} ", str(key).upper()))] = value
    elif kind == 2:  # what stands elsewhere
        other, place = rng.choice(places)
        holder[key] = other[place] if not isinstance(other[place], (dict, list)) else None
    elif kind == 3 and type(value) in (int, float) and abs(value) < 2**70:
        holder[key] = value + rng.choice((-1, 1, 0.5, -(2**32), 2**32, -0.001))
    elif kind == 4 and isinstance(value, (int, float)):
        holder[key] = rng.choice((-value, float(min(max(value, -1e300), 1e300)), str(value)))
    elif kind == 5 and isinstance(value, list):
        rng.shuffle(value)
    elif kind == 6 and isinstance(value, str) and value:
        at = rng.randrange(len(value))
        holder[key] = value[:at] + rng.choice(("", "g", "\0", "/", "é", "0")) + value[at + 1 :]
    elif kind == 7:
        holder[key] = [value]
    else:
        holder[key] = edge(rng)


def json_bytes(rng: random.Random, value: Any) -> bytes:
    """Write JSON, now and then such as no writer of ours writes."""
    encoded = json.dumps(value, ensure_ascii=rng.randrange(2) == 0).encode("utf-8", "surrogatepass")
    if rng.randrange(8):
        return encoded
    kind = rng.randrange(4)
    if kind == 0:  # a name twice
        at = encoded.find(b"{") + 1
        return encoded[:at] + b'"schema": 0, "schema": "td7", ' + encoded[at:]
    if kind == 1:
        at = rng.randrange(len(encoded) + 1)
        return encoded[:at] + rng.choice((b"[", b'{"a":', b"-")) * 100_000 + encoded[at:]
    if kind == 2:  # nested as deeply as just parses, or numbers that are none
        depth = rng.choice((700, 900, 960, 990))
        nested = b"[" * depth + b"]" * depth
        return encoded.replace(
            b"0", rng.choice((nested, b"1e999", b"9" * 5000, b"NaN", b"0.", b"-")), 1
        )
    return rng.choice((b"\xef\xbb\xbf" + encoded, encoded + b"\0", encoded * 2, b"", b"null"))


def altered_bytes(rng: random.Random, content: bytes, other: bytes) -> bytes:
    """Flip, replace, cut, double or splice at one to four places."""
    for _ in range(rng.randrange(1, 5)):
        at, size = rng.randrange(len(content) + 1), rng.randrange(1, 65)
        kind = rng.randrange(7)
        if kind == 0:
            content = content[:at]
        elif kind == 1:
            content = content[:at] + content[at + size :]
        elif kind == 2:
            content = content[:at] + content[max(0, at - size) :]
        elif kind == 3:
            cut = rng.randrange(len(other) + 1)
            content = content[:at] + other[cut:]
        elif kind == 4:
            content = content[:at] + rng.randbytes(size) + content[at + size :]
        elif at < len(content):
            flipped = content[at] ^ 1 << rng.randrange(8)
            content = content[:at] + bytes([flipped]) + content[at + 1 :]
    return content


def altered_tensors(rng: random.Random, content: bytes, other: bytes) -> bytes:
    """Alter a safetensors file: its header, the length of that, its numbers or its bytes."""
    kind = rng.randrange(8)
    if kind == 0:
        return altered_bytes(rng, content, other)
    (size,) = struct.unpack("<Q", content[:8])
    header, data = json.loads(content[8 : 8 + size]), content[8 + size :]
    if kind == 1 and data:
        at = rng.randrange(len(data) // 4) * 4
        word = rng.choice((0x7FC00000, 0x7F800000, 0xFF800000, 0x7F7FFFFF, 1, rng.getrandbits(32)))
        data = data[:at] + struct.pack("<I", word) + data[at + 4 :]
    elif kind == 2:
        data = rng.choice((data[: rng.randrange(len(data) + 1)], data + bytes(8), data * 2))
    elif kind <= 5:
        header = _altered_entry(rng, header)
    else:
        header = altered_json(rng, header)
    encoded = json_bytes(rng, header)
    encoded += b" " * (-len(encoded) % 8 if rng.randrange(4) else 0)
    length = len(encoded) if rng.randrange(16) else rng.choice((*LENGTHS, len(encoded) + 1))
    return struct.pack("<Q", length) + encoded + data


def _altered_entry(rng: random.Random, header: Any) -> Any:
    """Alter one tensor's entry so that it may still fit the others."""
    names = [name for name in header if name != "__metadata__"]
    if not names:
        return header
    name = rng.choice(names)
    entry, kind = header[name], rng.randrange(6)
    if kind == 0:
        entry["dtype"] = rng.choice(DTYPES)
    elif kind == 1:  # as many numbers in another shape
        shape = entry["shape"]
        entry["shape"] = rng.choice(([*shape, 1], [1, *shape], shape[::-1], [*shape, 0]))
    elif kind == 2:
        entry["shape"] = [rng.choice(INTEGERS) for _ in range(rng.randrange(5))]
    elif kind == 3:
        begin, end = entry["data_offsets"]
        step = rng.choice((-4, 4, 2**32, 2**63))
        entry["data_offsets"] = rng.choice(([begin + step, end], [begin, end + step], [end, begin]))
    elif kind == 4:
        other = rng.choice(names)
        header[name], header[other] = header[other], header[name]
    else:
        header[rng.choice(TEXTS)] = header.pop(name)
    return header


def sign_manifest(rng: random.Random, path: Path) -> None:
    """Make a manifest's own sum right again, mostly: else nothing behind it is reached."""
    before = re.split(rb'(?<="manifest_sha256": ")[^"]*', path.read_bytes())
    if rng.randrange(8) and len(before) == 2:
        own = hashlib.sha256(b"".join(before)).hexdigest().encode()
        path.write_bytes(own.join(before))
