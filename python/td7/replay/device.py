"""LAP replay on a torch device, the contract of `LapReplay`: what is drawn never leaves the GPU.

Rows and the sum tree are tensors; the C++ core decides on the host which slots hold what, and makes
the uniforms, by the same code as for `LapReplay`. So the two hold the same transitions in the same
slots, draw the same rows and read each other's files.

Shape letters: P members, M members of one call, B batch, S observation, A action, T steps of an
episode, L levels of the tree, K calls.
"""

from __future__ import annotations

import operator
import os
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from td7.draws import integer, seed_array, whole_number
from td7.extension import core
from td7.replay import device_tree as tree
from td7.replay.batch import Bool, Float32, Int64
from td7.replay.device_priorities import FAULTS, last_of_equals, priorities
from td7.replay.device_rows import DeviceBatch, DeviceRows, slots_for_long_episodes
from td7.replay.device_segments import DeviceSegments
from td7.replay.host import core_arguments, earlier_bytes, path_bytes
from td7.replay.settings import ReplaySettings
from td7.replay.tensor_args import check_tensor


class DeviceLapReplay(ReplaySettings):
    """Prioritised replay for P members whose rows and priorities live on a torch device.

    Arguments, rules and errors are those of `LapReplay`, with these differences:

    - `sample` gives tensors and `update_priorities` takes them; neither waits for the device, so
      with `uniforms` made in advance both can be captured in a CUDA graph, after a first call with
      the same `members`. `generation` counts the events after which a graph must be captured, and
      uniforms made, anew: rows that moved, a tree that grew a level.
    - Powers are torch's: a priority may differ from that of `LapReplay` in its last bit.
    - There is no `add_transitions`, no `scratch_dir` and no `out`: a data set comes in by the file
      of a `LapReplay`.
    - `update_priorities` cannot raise for what only the device knows: a TD error that is not
      finite, negative or too large, or an index that holds no transition, is not written and
      remembered; `raise_if_bad` tells.
    - Whole episodes are copied at once; a step alone costs a few dozen operations on the device.
    - Memory for `capacity` transitions of long episodes is held from the start; short episodes make
      it grow, to twice that at most.
    - One thread at a time; updates take memory and time in proportion to the batch's square.
    """

    def __init__(
        self,
        capacity: int,
        obs_size: int,
        action_size: int,
        *,
        seeds: Sequence[int] = (0,),
        streams: int = 1,
        alpha: float = 0.4,
        min_priority: float = 1.0,
        device: str | torch.device = "cpu",
    ) -> None:
        seed_numbers = seed_array(seeds)
        self._ledgers = core.LapLedgers(
            seeds=seed_numbers,
            alpha=alpha,
            min_priority=min_priority,
            **core_arguments(
                capacity=capacity, obs_size=obs_size, action_size=action_size, streams=streams
            ),
        )
        self._keep(
            seeds=tuple(seed_numbers.tolist()),
            capacity=capacity,
            obs_size=obs_size,
            action_size=action_size,
            streams=streams,
            alpha=alpha,
            min_priority=min_priority,
        )
        self._floor = float(np.float32(min_priority**alpha))
        self._generation = 0
        self._levels = 1
        self._max_priority = torch.ones(self.members, dtype=torch.float32, device=device)
        self._segments = DeviceSegments(self._ledgers, self.members, self.device)
        self._all = np.arange(self.members, dtype=np.int64)
        self._numbers: dict[bytes, Tensor] = {}
        self._chosen(None)
        # the tree has its full size at once: it is small beside the rows, and so it never moves
        self._most_slots = self._ledgers.max_slots(0)
        self._tree = tree.make_levels(self.members, self._most_slots, self.device)
        self._weights = self._tree[0].flatten(1)  # [P, slots], a view
        self._faults = torch.zeros(self.members, len(FAULTS), dtype=torch.bool, device=self.device)
        slots = slots_for_long_episodes(capacity, self._ledgers.segment_slots(0), streams)
        slots = min(slots, self._most_slots)
        self._rows = DeviceRows(self.members, slots, obs_size, action_size, self.device)

    @property
    def device(self) -> torch.device:
        """The device, with its number."""
        return self._max_priority.device

    @property
    def generation(self) -> int:
        """Number of events after which a graph must be captured, and uniforms made, anew."""
        return self._generation

    @property
    def levels(self) -> int:
        """Number of the tree's levels that a draw passes, L."""
        return self._levels

    @property
    def nbytes(self) -> int:
        """Bytes held for all members, on the device and for the bookkeeping on the host."""
        tensors = (*self._tree, self._rows.values, self._max_priority, self._faults)
        on_device = sum(tensor.nbytes for tensor in tensors) + self._segments.nbytes
        return on_device + self._ledgers.nbytes

    def size(self, member: int = 0) -> int:
        """Number of transitions that can be drawn."""
        return self._ledgers.size(member)

    @torch.no_grad()
    def clear(self, members: Sequence[int] | Int64 | None = None) -> None:
        """Removes all transitions of members [M], as `LapReplay.clear` does; keeps the memory."""
        chosen, _ = self._chosen(members)
        self._ledgers.clear(chosen)
        for member in chosen.tolist():
            for level in self._tree:
                level[member] = 0
            self._rows.values[member] = 0
            self._max_priority[member] = 1
            self._segments.replace(member)

    def add(
        self,
        obs: Float32,
        action: Float32,
        reward: float | Float32,
        next_obs: Float32,
        terminated: bool | Bool,
        truncated: bool | Bool = False,
        *,
        member: int = 0,
        stream: int = 0,
    ) -> None:
        """Adds one transition of numpy arrays, or one a stream, as `LapReplay.add` does."""
        if isinstance(obs, np.ndarray) and obs.ndim == 2:
            rows = np.empty((len(obs), self._rows.width), np.float32)
            self._reserve(self._ledgers.slots_after_rows(member, stream, len(obs)))
            runs, evicted = self._ledgers.add_rows(
                member, stream, obs, action, reward, next_obs, terminated, truncated, rows
            )
            self._place(member, rows, runs, evicted, next_obs)
            return
        rows = np.empty((2, self._rows.width), np.float32)
        self._reserve(self._ledgers.slots_after(member, stream, 1))
        runs, evicted = self._ledgers.add(
            member, stream, obs, action, reward, next_obs, terminated, truncated, rows
        )
        self._place(member, rows, runs, evicted)

    def end_episode(self, *, member: int = 0, stream: int = 0) -> None:
        """Closes the stream's open episode, if any; the next transition starts a new one."""
        self._ledgers.end_episode(member, stream)

    def add_episode(
        self,
        obs: Float32,
        action: Float32,
        reward: Float32,
        terminated: bool,
        *,
        member: int = 0,
        stream: int = 0,
    ) -> None:
        """Adds a whole episode of numpy arrays, as `LapReplay.add_episode` does, in one copy."""
        steps = reward.size if isinstance(reward, np.ndarray) else 0
        rows = np.empty((steps + 1, self._rows.width), np.float32)
        self._reserve(self._ledgers.slots_after(member, stream, min(steps, self.capacity)))
        runs, evicted = self._ledgers.add_episode(
            member, stream, obs, action, reward, terminated, rows
        )
        self._place(member, rows, runs, evicted)

    def uniforms(
        self, batch_size: int, *, members: Sequence[int] | Int64 | None = None, calls: int = 1
    ) -> Tensor:
        """Makes on the host what the next `calls` samples take: float64 [K, M, L, B].

        They may be copied to the device at once and given to `sample` one by one. Advances the
        draw counters as those samples would; errors as of `sample`.
        """
        chosen, _ = self._chosen(members)
        self._ledgers.check_sample(chosen, integer("batch_size", batch_size))
        if integer("calls", calls) < 1:
            raise ValueError(f"calls must be at least 1, got {calls}")
        shape = (calls, len(chosen), self.levels, batch_size)
        pinned = self.device.type == "cuda"
        out = torch.empty(shape, dtype=torch.float64, device="cpu", pin_memory=pinned)
        self._ledgers.fill_uniforms(chosen, out.numpy())
        return out

    @torch.no_grad()
    def sample(
        self,
        batch_size: int,
        *,
        members: Sequence[int] | Int64 | None = None,
        uniforms: Tensor | None = None,
        probability: bool = False,
    ) -> DeviceBatch:
        """Draws `batch_size` transitions for each of M members, with replacement, in one call.

        members [M], distinct, default all; `probability` asks for each row's chance. `uniforms`
        float64 [M, L, B] on the device, one of those that `uniforms` makes, for this batch size
        and these members, where an empty one gives rows that mean nothing; without it they are made
        now, and an empty member is a ValueError.
        """
        chosen, rows = self._chosen(members)
        if uniforms is None:
            self._ledgers.check_sample(chosen, integer("batch_size", batch_size))
            made = self.uniforms(batch_size, members=chosen)[0]
            uniforms = made.to(self.device, non_blocking=True)
        shape = (len(chosen), self.levels, batch_size)
        check_tensor("uniforms", uniforms, torch.float64, shape, self.device)
        levels = self._tree[: self.levels]
        batch = self._rows.gather(rows, tree.draw(levels, rows, uniforms))
        batch.drawn_at = self._segments.begun(rows)
        if probability:
            batch.probability = tree.path_probability(levels, rows, batch.index)
        return batch

    @torch.no_grad()
    def update_priorities(
        self,
        index: Tensor,
        td_error: Tensor,
        *,
        members: Sequence[int] | Int64 | None = None,
        where: Tensor | None = None,
        drawn_at: Tensor | None = None,
    ) -> Tensor | int:
        """Sets the priorities of drawn transitions to max(td_error, min_priority)^alpha.

        index int64 [M, B] as from `sample`, td_error float32 [M, B], absolute, both on the
        device; members [M], default all, or those of them for which `where` bool [M] is true. Of
        equal indices of a member the last one wins. What cannot be written is left out and told
        by `raise_if_bad`.

        With `drawn_at` int64 [M], the batch's, transitions that are gone since are left out
        without an error. Returns how many those were, as a tensor int64 []; 0 without `drawn_at`.
        """
        chosen, rows = self._chosen(members)
        check_tensor("index", index, torch.int64, (len(chosen), "B"), self.device)
        check_tensor("td_error", td_error, torch.float32, tuple(index.shape), self.device)
        if drawn_at is not None:
            check_tensor("drawn_at", drawn_at, torch.int64, (len(chosen),), self.device)
        if where is not None:
            check_tensor("where", where, torch.bool, (len(chosen),), self.device)
        if index.shape[1] == 0:
            return 0
        slot = index.clamp(0, self._weights.shape[1] - 1)
        before = self._weights[rows, slot]
        live = (before > 0) & (slot == index)
        gone = None
        if drawn_at is not None:
            known = slot == index  # an index that no slot has is a fault all the same
            gone = known & ~(live & self._segments.hold_since(rows, slot, drawn_at))
            live = known
        value, faults = priorities(td_error, live, self.alpha, self._floor)
        if where is not None:
            faults = faults & where[:, None, None]
        good = ~faults.any(-1)
        if where is not None:
            good = good & where[:, None]
        if gone is not None:
            good = good & ~gone
            gone = gone if where is None else gone & where[:, None]
        self._weights[rows, slot] = last_of_equals(slot, value, good, before)
        tree.refresh(self._tree[: self.levels], rows, slot)
        named = rows[:, 0]
        most = torch.where(good, value, 0.0).amax(-1)
        self._max_priority[named] = torch.maximum(self._max_priority[named], most)
        self._faults[named] = self._faults[named] | faults.any(1)
        return 0 if gone is None else gone.sum()

    def raise_if_bad(self) -> None:
        """Waits for the device; ValueError if an update since the last call left something out."""
        found = [
            f"seed {self.seeds[member]} (member {member}): {FAULTS[fault]}"
            for member, fault in self._faults.nonzero().tolist()
        ]
        if not found:
            return
        self._faults.zero_()
        raise ValueError("update_priorities left out what it could not write: " + "; ".join(found))

    def priority(self, index: int, member: int = 0) -> float:
        """The priority of one transition, raised to alpha; IndexError if there is none."""
        self._ledgers.check_index(member, index)
        return self._weights[member, index].item()

    def path_probability(self, index: int, member: int = 0) -> float:
        """The chance that one draw gives this transition; IndexError if there is none."""
        self._ledgers.check_index(member, index)
        slot = torch.tensor([[index]], device=self.device)
        _, row = self._chosen((member,))
        return tree.path_probability(self._tree[: self.levels], row, slot).item()

    def max_priority(self, member: int = 0) -> float:
        """What a new transition gets, raised to alpha: 1, then the largest since the last reset."""
        self._ledgers.size(member)  # refuses a member that is not there
        return self._max_priority[member].item()

    def reset_max_priority(
        self, members: Sequence[int] | Int64 | None = None, *, where: Tensor | None = None
    ) -> None:
        """Lowers the maximum priority to that of the transitions held.

        members [M], default all, or those of them for which `where` bool [M] is true.
        """
        chosen, rows = self._chosen(members)
        most = self._weights[rows[:, 0]].amax(-1)
        most = torch.where(most > 0, most, 1.0)
        if where is not None:
            check_tensor("where", where, torch.bool, (len(chosen),), self.device)
            most = torch.where(where, most, self._max_priority[rows[:, 0]])
        self._max_priority[rows[:, 0]] = most

    def draw_counter(self, member: int = 0) -> int:
        """Number of samples whose uniforms were made for this member."""
        return self._ledgers.draw_counter(member)

    def set_draw_counter(self, value: int, member: int = 0) -> None:
        """Sets the number of samples, to repeat or to skip draws."""
        self._ledgers.set_draw_counter(member, whole_number("value", value, 64))

    def save(
        self,
        path: str | os.PathLike[str],
        *,
        in_pieces: bool = False,
        earlier: str | os.PathLike[str] | None = None,
    ) -> None:
        """Writes what `LapReplay.save` would; holds a copy of all in host memory."""
        before = earlier_bytes(in_pieces, earlier)
        weights, rows = [], []
        for member in range(self.members):
            used, made = self._ledgers.used_slots(member), self._ledgers.made_slots(member)
            weights.append(self._weights[member, :used].cpu().numpy())
            rows.append(self._rows.values[member, :made].cpu().numpy())
        most = self._max_priority.cpu().numpy()
        self._ledgers.save(path_bytes(path), in_pieces, before, most, weights, rows)

    def load(self, path: str | os.PathLike[str]) -> None:
        """Replaces everything by a state that this class or `LapReplay` has saved.

        Errors as of `LapReplay.load`. Holds a copy of all in host memory; forgets what
        `raise_if_bad` would have told.
        """
        saved = self._ledgers.read(path_bytes(path))
        self._reserve(max(len(saved.rows(member)) for member in range(self.members)))
        self._weights.zero_()
        for member in range(self.members):
            weights, rows = saved.weights(member), saved.rows(member)
            self._weights[member, : len(weights)] = torch.from_numpy(weights)
            self._rows.replace(member, torch.from_numpy(rows))
            self._max_priority[member] = saved.max_priority(member)
        tree.rebuild(self._tree)
        self._faults.zero_()
        self._ledgers.restore(saved)
        for member in range(self.members):
            self._segments.replace(member)
        self._raise_levels(max(self._ledgers.levels(m) for m in range(self.members)))

    def _reserve(self, slots: int) -> None:
        """Makes room for rows in slots below `slots`."""
        if self._rows.reserve(slots, self._most_slots):
            self._generation += 1

    def _raise_levels(self, levels: int) -> None:
        """Lets draws start at the root of a tree of so many levels."""
        if levels <= self.levels:
            return
        self._levels = levels
        self._generation += 1
        _, rows = self._chosen(None)
        tree.refresh(self._tree[:levels], rows, torch.zeros_like(rows))

    @torch.no_grad()
    def _place(
        self,
        member: int,
        rows: Float32,
        runs: Int64,
        evicted: Int64,
        next_obs: Float32 | None = None,
    ) -> None:
        """Follows the ledger's word: drops what is evicted, then stores rows [T + 1, ...].

        With next_obs [N, S] there are N rows, each a run of its own.
        """
        weights = self._weights[member]
        for first, count in evicted.tolist():
            weights[first : first + count] = 0
        packed = torch.from_numpy(rows).to(self.device)
        if next_obs is None:
            self._rows.write(member, packed, runs.tolist())
        else:
            slots = torch.from_numpy(runs[:, 0].copy()).to(self.device)
            self._rows.write_each(member, packed, torch.from_numpy(next_obs).to(self.device), slots)
        for first, count in runs.tolist():
            weights[first : first + count] = self._max_priority[member]
        self._segments.follow(member, runs[:, 0])
        self._raise_levels(self._ledgers.levels(member))
        _, row = self._chosen((member,))
        tree.refresh_runs(self._tree[: self.levels], row, np.concatenate((evicted, runs)))

    def _chosen(self, members: Sequence[int] | Int64 | None) -> tuple[Int64, Tensor]:
        """Returns the members as an array [M] and as a tensor [M, 1], which is made only once."""
        if members is None:
            members = self._all
        elif not isinstance(members, np.ndarray):
            members = np.array([operator.index(member) for member in members], np.int64)
        self._ledgers.check_members(members)
        key = members.tobytes()
        if key not in self._numbers:
            self._numbers[key] = torch.from_numpy(members.copy()).to(self.device)[:, None]
        return members, self._numbers[key]
