"""Slow, obvious twins of the C++ core: Philox, the sum tree and one member's LAP buffer.

They follow the contracts in csrc/random/philox.h, csrc/replay/tree/sum_tree.h and
csrc/replay/lap_buffer.h, with Python's float64 where the core has double, and are equal to the
bit.
"""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np

MASK = 0xFFFFFFFF


def philox4x32(counter, key):
    """Philox4x32-10 of four and two 32-bit words."""
    c, k = list(counter), list(key)
    for _ in range(10):
        a, b = 0xD2511F53 * c[0], 0xCD9E8D57 * c[2]
        c = [(b >> 32) ^ c[1] ^ k[0], b & MASK, (a >> 32) ^ c[3] ^ k[1], a & MASK]
        k = [(k[0] + 0x9E3779B9) & MASK, (k[1] + 0xBB67AE85) & MASK]
    return c


def stream_id(name):
    """32-bit FNV-1a."""
    value = 2166136261
    for byte in name.encode():
        value = ((value ^ byte) * 16777619) & MASK
    return value


def block(seed, stream, counter, number):
    words = (number, counter & MASK, counter >> 32, stream_id(stream))
    return philox4x32(words, (seed & MASK, seed >> 32))


def uniform(seed, stream, counter, index):
    """The 53-bit uniform at `index`."""
    words = block(seed, stream, counter, index // 2)
    low, high = words[2 * (index % 2) :][:2]
    return ((high << 32 | low) >> 11) * 2.0**-53


def prefix_sums(node):
    """Prefix sums of 16 values: from the left within each four, to what stands before the four."""
    p = []
    for quad in range(4):
        before, total = p[-1] if p else 0.0, 0.0
        for x in node[4 * quad : 4 * quad + 4]:
            total += float(x)
            p.append(before + total)
    return p


LN2 = Fraction("0.693147180559945309417232121458176568075500134360255254120680009")
LOG2 = [float(2 / ((2 * k + 1) * LN2)) for k in range(11)]
EXP2 = [float(LN2**k / math.factorial(k)) for k in range(14)]


def horner(coefficients, x):
    total = coefficients[-1]
    for c in reversed(coefficients[:-1]):
        total = total * x + c
    return total


def power(x, alpha):
    """x^alpha as csrc/replay/tree/priority_power.h defines it."""
    m, e = math.frexp(x)
    if m < math.sqrt(0.5):
        m, e = 2 * m, e - 1
    s = (m - 1) / (m + 1)
    y = alpha * (e + s * horner(LOG2, s * s))
    return math.ldexp(horner(EXP2, y - round(y)), round(y))


def tree_levels(weights):
    """Levels of the tree over `weights`, leaves first, each padded to whole nodes."""
    level = np.asarray(weights, np.float32)
    levels = []
    while True:
        level = np.append(level, np.zeros(-len(level) % 16, np.float32))
        levels.append(level)
        if len(level) == 16:
            return levels
        level = np.array([prefix_sums(node)[15] for node in level.reshape(-1, 16)], np.float32)


def pick(node, u):
    """The first child whose prefix sum exceeds u * total."""
    p = prefix_sums(node)
    return next(i for i in range(16) if p[i] > u * p[15])


class Twin:
    """One member's buffer; transitions are dicts by slot."""

    def __init__(self, capacity, *, seed=0, streams=1, alpha=0.4, min_priority=1.0):
        self.capacity, self.seed = capacity, seed
        self.alpha, self.min_priority = alpha, min_priority
        self.segment_slots = 256
        while self.segment_slots > 16 and self.segment_slots * streams * 4 > capacity:
            self.segment_slots //= 2
        self.obs = {}  # slot -> obs
        self.step = {}  # live slot -> (action, reward, not_terminated), in no order
        self.priority = {}  # live slot -> float32
        self.queue, self.free, self.made = [], [], 0
        self.streams = [[None, 0, False] for _ in range(streams)]
        self.used = 0
        self.max_priority = np.float32(1)
        self.draws = getattr(self, "draws", 0)

    def live_in(self, segment):
        """Live slots of a segment, oldest first."""
        return sorted(s for s in self.priority if s // self.segment_slots == segment)

    def evict(self):
        oldest = self.queue[0]
        slot = self.live_in(oldest)[0]
        del self.priority[slot], self.step[slot]
        if not self.live_in(oldest):
            self.queue.pop(0)
            if oldest not in (s[0] for s in self.streams):
                self.free.append(oldest)

    def take(self):
        if self.free:
            return self.free.pop()
        self.made += 1
        return self.made - 1

    def append(self, stream, obs, action, reward, next_obs, terminated):
        writer = self.streams[stream]
        segment, offset, is_open = writer
        if is_open and not np.array_equal(self.obs[segment * self.segment_slots + offset], obs):
            offset += 1
        if segment is None or offset + 1 >= self.segment_slots:
            writer[0] = self.take()
            if segment is not None and segment not in self.queue:
                self.free.append(segment)
            segment, offset = writer[0], 0
        slot = segment * self.segment_slots + offset
        if segment not in self.queue:
            self.queue.append(segment)
        self.obs[slot], self.obs[slot + 1] = obs, next_obs
        self.step[slot] = (action, reward, np.float32(not terminated))
        self.priority[slot] = self.max_priority
        self.used = max(self.used, slot + 1)
        writer[1:] = offset + 1, True

    def add(self, stream, obs, action, reward, next_obs, terminated, truncated):
        if len(self.priority) == self.capacity:
            self.evict()
        self.append(stream, obs, action, reward, next_obs, terminated)
        if terminated or truncated:
            self.end_episode(stream)

    def end_episode(self, stream):
        writer = self.streams[stream]
        if writer[2]:
            writer[1:] = writer[1] + 1, False

    def add_episode(self, stream, obs, action, reward, terminated):
        self.end_episode(stream)
        steps = len(reward)
        while len(self.priority) + steps > self.capacity:
            self.evict()
        for t in range(steps):
            last = terminated and t + 1 == steps
            self.append(stream, obs[t], action[t], reward[t], obs[t + 1], last)
        self.end_episode(stream)

    def add_transitions(self, stream, rows):
        while len(self.priority) + len(rows) > self.capacity:
            self.evict()
        for *row, terminated, truncated in rows:
            self.append(stream, *row, terminated)
            if terminated or truncated:
                self.end_episode(stream)

    def add_rows(self, first_stream, rows):
        while len(self.priority) + len(rows) > self.capacity:
            self.evict()
        for i, (*row, terminated, truncated) in enumerate(rows):
            self.append(first_stream + i, *row, terminated)
            if terminated or truncated:
                self.end_episode(first_stream + i)

    def clear(self):
        self.__init__(
            self.capacity,
            seed=self.seed,
            streams=len(self.streams),
            alpha=self.alpha,
            min_priority=self.min_priority,
        )

    def weights(self):
        return np.array([self.priority.get(slot, 0) for slot in range(self.used)], np.float32)

    def sample(self, n):
        """The slots of the next n draws."""
        levels = tree_levels(self.weights())
        slots = []
        for b in range(n):
            node = 0
            for height in reversed(range(len(levels))):
                u = uniform(self.seed, "replay", self.draws, height * 2**28 + b)
                node = 16 * node + pick(levels[height][16 * node : 16 * node + 16], u)
            slots.append(node)
        self.draws += 1
        return np.array(slots)

    def update_priorities(self, index, td_error):
        for slot, error in zip(index, td_error, strict=True):
            value = np.float32(power(max(float(error), self.min_priority), self.alpha))
            self.priority[int(slot)] = value
            self.max_priority = max(self.max_priority, value)

    def update_late(self, index, steps, td_error):
        """Updates those whose slot still has the step it had; returns how many have not."""
        held = [b for b, slot in enumerate(index) if self.step.get(int(slot)) is steps[b]]
        self.update_priorities(index[held], td_error[held])
        return len(index) - len(held)

    def reset_max_priority(self):
        self.max_priority = max(self.priority.values(), default=np.float32(1))
