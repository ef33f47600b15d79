"""A saved state that contradicts itself is refused, though its checksum is right."""

import numpy as np
import pytest

from td7.replay import LapReplay

CAPACITY, S, A, SLOTS = 40, 2, 1, 16  # SLOTS a segment
NONE = 2**32 - 1
HEADER = np.dtype(
    "u8, u8, i8, i8, i8, i8, i8, f8, f8, i8"  # magic, file_bytes, members, arguments, piece_rows
)
MEMBER = np.dtype(
    [("seed", "u8"), ("draw_counter", "u8"), ("live", "i8"), ("weights", "i8")]
    + [(name, "u4") for name in ("segments", "queued", "free")]
    + [("max_priority", "f4")]
)
STREAM = np.dtype([("segment", "u4"), ("next", "i4"), ("open", "u4")])
SEGMENT = np.dtype([("first", "u2"), ("live", "u2")])


def xxh64(data):
    """XXH64 with seed 0, by its specification."""
    mask = 2**64 - 1
    p1, p2, p3 = 0x9E3779B185EBCA87, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9
    p4, p5 = 0x85EBCA77C2B2AE63, 0x27D4EB2F165667C5

    def rotate(x, bits):
        return (x << bits | x >> (64 - bits)) & mask

    def turn(lane, word):
        return rotate((lane + word * p2) & mask, 31) * p1 & mask

    words = [int(word) for word in np.frombuffer(data[: len(data) // 8 * 8], "<u8")]
    lanes, used = [(p1 + p2) & mask, p2, 0, -p1 & mask], len(data) // 32 * 4
    for i in range(0, used, 4):
        lanes = [turn(lane, word) for lane, word in zip(lanes, words[i : i + 4], strict=True)]
    value = p5
    if used:
        value = sum(rotate(x, bits) for x, bits in zip(lanes, (1, 7, 12, 18), strict=True)) & mask
        for lane in lanes:
            value = ((value ^ turn(0, lane)) * p1 + p4) & mask
    value, rest = (value + len(data)) & mask, data[len(words) * 8 :]
    for word in words[used:]:
        value = (rotate(value ^ turn(0, word), 27) * p1 + p4) & mask
    if len(rest) >= 4:
        word, rest = int.from_bytes(rest[:4], "little"), rest[4:]
        value = (rotate(value ^ (word * p1 & mask), 23) * p2 + p3) & mask
    for byte in rest:
        value = rotate(value ^ (byte * p5 & mask), 11) * p1 & mask
    value = (value ^ value >> 33) * p2 & mask
    value = (value ^ value >> 29) * p3 & mask
    return value ^ value >> 32


class Saved:
    """The parts of a saved replay of one member, to be altered and signed again."""

    def __init__(self, data):
        self.rest, self.place = data[:-8], 0
        self.header = self.take(HEADER, 1)
        self.member = self.take(MEMBER, 1)
        member = self.member[0]
        self.streams = self.take(STREAM, 2)
        self.segments = self.take(SEGMENT, member["segments"])
        self.queue = self.take(np.dtype("u4"), member["queued"])
        self.free = self.take(np.dtype("u4"), member["free"])
        self.weights = self.take(np.dtype("f4"), member["weights"])
        rows = self.take(np.dtype("f4"), int(member["segments"]) * SLOTS * (S + A + 2))
        self.rows = rows.reshape(-1, S + A + 2)
        assert self.place == len(self.rest)

    def take(self, dtype, count):
        part = np.frombuffer(self.rest, dtype, int(count), self.place).copy()
        self.place += part.nbytes
        return part

    def signed(self):
        parts = (self.member, self.streams, self.segments, self.queue, self.free)
        body = b"".join(part.tobytes() for part in (*parts, self.weights, self.rows))
        self.header["f1"] = HEADER.itemsize + len(body) + 8
        body = self.header.tobytes() + body
        return body + xxh64(body).to_bytes(8, "little")

    def live(self, segment):
        """The live slots of a segment."""
        slots = np.arange(segment * SLOTS, min((segment + 1) * SLOTS, len(self.weights)))
        return slots[self.weights[slots] > 0]


def replay():
    return LapReplay(CAPACITY, S, A, seeds=(3,), streams=2)


def add(replay, steps, *, end, stream=0):
    obs = np.ones(S, np.float32)
    for _ in range(steps):
        replay.add(obs, obs[:A], 1.0, obs, end, stream=stream)


@pytest.fixture(scope="module")
def full(tmp_path_factory):
    """The file of a replay with segments of each kind: stream 1 writes to one that is empty."""
    replay_ = replay()
    add(replay_, 1, end=True, stream=1)
    add(replay_, 80, end=True)
    add(replay_, 18, end=False)
    path = tmp_path_factory.mktemp("saved") / "replay.bin"
    replay_.save(path)
    return path.read_bytes()


def test_the_checksum_of_this_file_is_the_cores(full):
    saved = Saved(full)
    assert saved.signed() == full
    kinds = [s["segment"] for s in saved.streams]
    assert saved.segments["live"][kinds].tolist() == [3, 0]  # both written, one of them empty
    assert saved.streams["next"].tolist() == [3, 2]
    assert saved.streams["open"].tolist() == [1, 0]
    assert len(saved.queue) >= 4 and len(saved.free) >= 1


def put(part, place, name, value):
    """An alteration: one field of one record."""

    def alter(saved):
        getattr(saved, part)[name][place] = value

    return alter


def weight(pick, value, live=0):
    """Gives the slot pick(saved) a weight; `live` is what the counts change by."""

    def alter(saved):
        slot = pick(saved)
        saved.weights[slot] = value
        saved.segments["live"][slot // SLOTS] += live
        saved.member["live"] += live

    return alter


def row(offset, column, value):
    """Puts a number into the row `offset` after the newest transition's."""

    def alter(saved):
        saved.rows[newest(saved) + offset, column] = value

    return alter


def oldest(saved):
    return saved.live(saved.queue[0])[0]


def newest(saved):
    return saved.live(saved.queue[-1])[-1]


def last_slot(saved):
    """Moves a transition to the end of its segment, which only a following observation may hold."""
    segment = int(saved.queue[1])
    saved.weights[saved.live(segment)[-1]] = 0
    saved.weights[segment * SLOTS + SLOTS - 1] = 1


def live_beyond_next(saved):
    saved.streams["next"][0] -= 1


def thin(saved):
    """Leaves one transition in each segment: their number then exceeds what can have happened."""
    for segment in saved.queue:
        live = saved.live(segment)
        saved.weights[live[:-1]] = 0
        saved.member["live"] -= len(live) - 1
        saved.segments["live"][segment] = 1


def swap(saved):
    saved.queue[1], saved.free[0] = saved.free[0], saved.queue[1]


def duplicate(name, count):
    def alter(saved):
        numbers = getattr(saved, name)
        setattr(saved, name, np.append(numbers, numbers[0]))
        saved.member[count] += 1

    return alter


def beyond(name):
    def alter(saved):
        getattr(saved, name)[0] = len(saved.segments)

    return alter


def fewer_weights(saved):
    saved.weights = saved.weights[: newest(saved)]
    saved.member["weights"] = len(saved.weights)


ALTERATIONS = {
    "next negative": put("streams", 0, "next", -1),
    "next beyond the segment": put("streams", 1, "next", SLOTS + 1),
    "next at a live slot": live_beyond_next,
    "open at the segment's end": put("streams", 0, "next", SLOTS),
    "open neither 0 nor 1": put("streams", 0, "open", 2),
    "open cleared after a transition": put("streams", 0, "open", 0),
    "a stream's segment beyond all": put("streams", 1, "segment", 1000),
    "a stream without a segment": put("streams", 1, "segment", NONE),
    "two streams in one segment": lambda s: s.streams["segment"].fill(s.streams["segment"][0]),
    "first of an empty segment far off": lambda s: put(
        "segments", s.streams["segment"][1], "first", 2**16 - 1
    )(s),
    "first of an empty segment past next": lambda s: put(
        "segments", s.streams["segment"][1], "first", 3
    )(s),
    "first past a live slot": lambda s: put("segments", s.queue[1], "first", 1)(s),
    "live of all too many": put("member", 0, "live", CAPACITY + 1),
    "live of all too few": put("member", 0, "live", CAPACITY - 1),
    "live of a segment too few": lambda s: put("segments", s.queue[1], "live", 2)(s),
    "a segment queued twice": duplicate("queue", "queued"),
    "a segment free twice": duplicate("free", "free"),
    "a queued segment beyond all": beyond("queue"),
    "a free segment beyond all": beyond("free"),
    "a free segment queued": swap,
    "fewer weights": fewer_weights,
    "more weights than slots": put("member", 0, "weights", 2**40),
    "more segments than slots": put("member", 0, "segments", 2**31),
    "a weight on the last slot": last_slot,
    "a weight missing": weight(oldest, 0),
    "a transition too many": weight(lambda s: oldest(s) - 2, 1, live=1),
    "a weight nan": weight(oldest, np.nan),
    "a weight infinite": weight(oldest, np.inf),
    "a weight negative": weight(oldest, -1),
    "a weight too small": weight(oldest, 2.0**-97),
    "a weight above the maximum": weight(oldest, 1.5),
    "max_priority zero": put("member", 0, "max_priority", 0),
    "max_priority nan": put("member", 0, "max_priority", np.nan),
    "max_priority infinite": put("member", 0, "max_priority", np.inf),
    "max_priority below a weight": put("member", 0, "max_priority", 0.5),
    "many segments less than half full": thin,
    "obs nan": row(0, 1, np.nan),
    "action infinite": row(0, S, np.inf),
    "reward nan": row(0, S + A, np.nan),
    "a flag between": row(0, S + A + 1, 0.5),
    "following obs infinite": row(1, 0, -np.inf),
}


@pytest.mark.parametrize("name", ALTERATIONS)
def test_a_contradiction_is_refused_and_changes_nothing(full, tmp_path, name):
    saved = Saved(full)
    ALTERATIONS[name](saved)
    path = tmp_path / "replay.bin"
    path.write_bytes(full)
    loaded = replay()
    loaded.load(path)
    path.write_bytes(saved.signed())
    assert path.read_bytes() != full
    refused = r"replay file .*replay\.bin (contradicts itself|is torn or altered$)"
    with pytest.raises(ValueError, match=refused):
        loaded.load(path)
    loaded.save(path)
    assert path.read_bytes() == full
