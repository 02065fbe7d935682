"""The batcher: which waiting requests run together, and when. Decisions only, no clock, no task.

Requests wait as parts (a large request is cut into several). Parts with the same method and
parameters may share a batch. An interactive batch starts at once while the instance has a worker
to spare and a processor to run it; beyond that it waits until a batch ends or its oldest part has
waited for the window. Bulk batches keep the processors busy and leave the other workers alone.
The two classes share the workers by weight.
"""

import math
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field

from nunatak.inference.core.payload import Block
from nunatak.inference.scheduling.calls import Call, Part, State
from nunatak.inference.scheduling.cost import BatchCost
from nunatak.transport.admission.admission import Class

_FIRST_ROWS = 4096
_LEAST_ROWS = 256
_MOST_ROWS = 65_536


@dataclass(frozen=True, slots=True)
class BatchPolicy:
    """The limits and weights of batching.

    ``slots`` is how many interactive batches may run at once without waiting (workers that have a
    processor to themselves), ``workers`` how many of all classes may run at all. ``window_s`` is
    how long the oldest part waits for company before a further worker is taken; never longer than
    twice what a batch costs whatever its size, since that is what joining saves. A part that fills
    more than half of a batch does not wait: none like it could join.
    ``bulk_slots`` is how many bulk batches may run at once (None: one on each worker).
    ``part_target_s`` is how long one part should keep a worker busy at most; ``bulk_target_s`` the
    same for bulk where there are workers that bulk never takes.
    """

    slots: int
    workers: int
    bulk_slots: int | None = None
    joined: bool = True
    max_rows: int | None = None
    max_bytes: int = 64 * 1024 * 1024
    window_s: float = 0.05
    part_target_s: float = 0.1
    bulk_target_s: float = 0.25
    interactive_weight: int = 4
    bulk_weight: int = 1


@dataclass(slots=True, eq=False)
class Batch:
    """Parts that run together: same method, same parameters, one class."""

    parts: list[Part]
    klass: Class
    rows: int
    formed_at: float

    @property
    def method(self) -> str:
        """The name of the method that the batch calls."""
        return self.parts[0].block.method.name


@dataclass(slots=True)
class _PartQueue:
    """The waiting parts of one class, by what may share a batch, oldest first."""

    weight: int
    lines: dict[str, deque[Part]] = field(default_factory=dict)
    parts: int = 0
    rows: int = 0
    work_s: float = 0.0
    running: int = 0
    served: float = 0.0
    """Seconds of worker time given so far, divided by the weight."""

    def push(self, part: Part) -> None:
        self.lines.setdefault(part.block.key, deque()).append(part)
        self.parts += 1
        self.rows += part.block.rows
        self.work_s += part.work_s

    def forget(self, part: Part) -> None:
        """The part is no longer waiting; its place in the line is skipped when it comes up."""
        part.taken = True
        self.parts -= 1
        self.rows -= part.block.rows
        self.work_s = self.work_s - part.work_s if self.parts else 0.0

    def oldest(self) -> deque[Part] | None:
        """The line whose first part has waited longest; lines without a live part vanish."""
        best: deque[Part] | None = None
        for key in list(self.lines):
            line = self.lines[key]
            while line and line[0].taken:
                line.popleft()
            if not line:
                del self.lines[key]
            elif best is None or line[0].queued_at < best[0].queued_at:
                best = line
        return best


class Batcher:
    """The waiting parts and the rules by which they leave."""

    def __init__(self, policy: BatchPolicy) -> None:
        self._policy = policy
        self._lines = {
            Class.INTERACTIVE: _PartQueue(policy.interactive_weight),
            Class.BULK: _PartQueue(policy.bulk_weight),
        }
        self.bulk_slots = policy.workers if policy.bulk_slots is None else policy.bulk_slots
        """How many bulk batches may run at once."""
        self._costs: dict[str, BatchCost] = {}
        self._dead = 0
        self.running = 0

    @property
    def waiting_parts(self) -> int:
        """Parts that wait for a batch."""
        return sum(line.parts for line in self._lines.values())

    @property
    def waiting_rows(self) -> int:
        """Rows that wait for a batch."""
        return sum(line.rows for line in self._lines.values())

    def cost(self, method: str) -> BatchCost:
        """Cost of the batches of a method so far."""
        cost = self._costs.get(method)
        if cost is None:
            cost = self._costs[method] = BatchCost()
        return cost

    def push(self, call: Call, now: float) -> None:
        """A request starts to wait: admitted → queued. It has at least one row."""
        call.move(State.QUEUED)
        blocks, klass = call.blocks, call.klass
        if len(blocks) == 1 and blocks[0].rows == 1:  # nothing to cut
            parts: tuple[Part, ...] = (Part(call, 0, blocks[0], now, self._work_s(blocks[0])),)
        else:
            parts = tuple(
                Part(call, i, block, now, self._work_s(block))
                for i, block in enumerate(self._cut(blocks, klass))
            )
        call.cut(parts)
        line = self._lines[call.klass]
        if not line.parts:
            # Who was away does not save up a claim to be served alone afterwards.
            line.served = max(line.served, self._least_served())
        for part in parts:
            line.push(part)

    def wait_s(self, call: Call) -> float:
        """Time in seconds that a request's rows will take at least if they wait behind those that
        do; 0 where none does, as nothing is then known that a try would not tell."""
        line = self._lines[call.klass]
        if not line.parts:
            return 0.0
        return (line.work_s + sum(map(self._work_s, call.blocks))) / self._policy.workers

    def drop(self, call: Call) -> None:
        """A request has ended: what waits of it is never computed and its rows are let go."""
        line = self._lines[call.klass]
        for part in call.parts:
            if not part.taken:
                line.forget(part)
                part.block = part.block.without_rows()
                self._dead += 1
        if self._dead > 64 + self.waiting_parts:
            self._compact()

    def take(self, now: float) -> Batch | None:
        """The next batch to run now, or None when none should start yet.

        The caller runs it and then calls ``done``.
        """
        for klass in self._by_claim():
            line = self._lines[klass].oldest()
            if line is not None and now >= self._start_at(line[0], klass):
                return self._form(klass, line, now)
        return None

    def wake_at(self, now: float) -> float | None:
        """Time when ``take`` may answer differently although nothing arrives or ends; None:
        never."""
        heads = [
            (line[0], klass)
            for klass, waiting in self._lines.items()
            if (line := waiting.oldest()) is not None
        ]
        first = min((self._start_at(part, klass) for part, klass in heads), default=math.inf)
        return None if first == math.inf else max(now, first)

    def done(self, batch: Batch, seconds: float | None) -> None:
        """A batch has left its worker; ``seconds`` it took there (None: it failed)."""
        self.running -= 1
        self._lines[batch.klass].running -= 1
        if seconds is not None:
            self.cost(batch.method).observe(batch.rows, seconds)

    def max_rows(self, block: Block, klass: Class) -> int:
        """The most rows of such a block that one batch takes: configured, or what is quick."""
        caps = [cap for cap in (self._policy.max_rows, block.method.max_batch_rows) if cap]
        if caps:
            return min(caps)
        cost, target_s = self.cost(block.method.name), self._target_s(klass)
        known, least = cost.rows_within(target_s), _LEAST_ROWS
        if known is None:  # while all batches have one size
            known, least = cost.rows_at_rate(target_s), _FIRST_ROWS
        return min(_MOST_ROWS, max(least, known))

    def _work_s(self, block: Block) -> float:
        return block.rows * self.cost(block.method.name).per_row_s

    def _target_s(self, klass: Class) -> float:
        has_spare = self.bulk_slots < self._policy.workers
        if klass is Class.BULK and has_spare:
            return self._policy.bulk_target_s
        return self._policy.part_target_s

    def _cut(self, blocks: tuple[Block, ...], klass: Class) -> Iterator[Block]:
        for block in blocks:
            most = self.max_rows(block, klass)
            count = -(-block.rows // most) or 1
            size = -(-block.rows // count) or 1
            for start in range(0, max(block.rows, 1), size):
                yield block.part(start, min(start + size, block.rows))

    def _least_served(self) -> float:
        busy = [line.served for line in self._lines.values() if line.parts]
        return min(busy, default=0.0)

    def _by_claim(self) -> list[Class]:
        """The classes that wait, first the one that has been served least for its weight."""
        waiting = [klass for klass, line in self._lines.items() if line.parts]
        return sorted(waiting, key=lambda klass: self._lines[klass].served)

    def _start_at(self, oldest: Part, klass: Class) -> float:
        """From when on this part may start, with as many batches running as now."""
        running = self._lines[klass].running
        if self.running >= self._policy.workers:
            return math.inf
        if klass is Class.BULK:
            return oldest.queued_at if running < self.bulk_slots else math.inf
        if running < self._policy.slots:
            return oldest.queued_at
        return oldest.queued_at + self._window(oldest)

    def _window(self, part: Part) -> float:
        """Time in seconds that a part waits for company; what fills more than half of a batch has
        none, nor what is handed on as it lies."""
        block = part.block
        fills = block.rows > 1 and 2 * block.rows > self.max_rows(block, part.call.klass)
        if fills or block.in_memory_file or not self._policy.joined:
            return 0.0
        return min(self._policy.window_s, 2 * self.cost(part.block.method.name).fixed_s)

    def _form(self, klass: Class, line: deque[Part], now: float) -> Batch:
        first = line.popleft()
        most_rows, most_bytes = self.max_rows(first.block, klass), self._policy.max_bytes
        parts, rows, size = [first], first.block.rows, first.block.size_bytes
        while line and self._policy.joined and not first.block.in_memory_file:
            part = line[0]
            if not part.taken:
                if rows + part.block.rows > most_rows or size + part.block.size_bytes > most_bytes:
                    break
                parts.append(part)
                rows += part.block.rows
                size += part.block.size_bytes
            line.popleft()
        waiting = self._lines[klass]
        for part in parts:
            waiting.forget(part)
            if part.call.state is State.QUEUED:
                part.call.move(State.BATCHED)
                part.call.batched_at = now
        batch = Batch(parts, klass, rows, now)
        waiting.served += max(self.cost(batch.method).seconds(rows), 1e-6) / waiting.weight
        waiting.running += 1
        self.running += 1
        return batch

    def _compact(self) -> None:
        for waiting in self._lines.values():
            for key, line in list(waiting.lines.items()):
                live = deque(part for part in line if not part.taken)
                if live:
                    waiting.lines[key] = live
                else:
                    del waiting.lines[key]
        self._dead = 0
