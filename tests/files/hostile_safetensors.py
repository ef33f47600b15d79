"""Files that are no safetensors files, each in its own way."""

import json
import struct


def header(fields, length=None, data=b""):
    encoded = fields if isinstance(fields, bytes) else json.dumps(fields).encode()
    return struct.pack("<Q", len(encoded) if length is None else length) + encoded + data


def entry(shape, begin, end, dtype="F32"):
    return {"dtype": dtype, "shape": shape, "data_offsets": [begin, end]}


SAFETENSORS = {
    "empty": b"",
    "no header": b"\0" * 7,
    "a header longer than the file": header({}, length=2**40),
    "a header of 100 MB that is not there": header({}, length=100_000_000),
    "a header longer than any": header({}, length=2**64 - 1),
    "a header that is no JSON": header(b"{" * 100),
    "a header that is a list": header([]),
    "a shape beyond the file": header({"a": entry([2**40], 0, 2**42)}),
    "a shape that overflows": header({"a": entry([2**32, 2**32, 2**32], 0, 4)}, data=bytes(4)),
    "a shape unlike its offsets": header({"a": entry([2], 0, 4)}, data=bytes(4)),
    "a negative shape": header({"a": entry([-1], 0, 4)}, data=bytes(4)),
    "offsets that overlap": header({"a": entry([2], 0, 8), "b": entry([2], 4, 12)}, data=bytes(12)),
    "offsets that run backwards": header({"a": entry([1], 4, 0)}, data=bytes(4)),
    "data that nobody names": header({"a": entry([1], 0, 4)}, data=bytes(8)),
    "a type that is none": header({"a": entry([1], 0, 4, "F31")}, data=bytes(4)),
}
