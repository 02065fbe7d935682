"""The life of a request: one table of states, and the object that walks through it."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from nunatak.inference.codecs.answers import BatchOutputs
from nunatak.inference.core.columns import Columns
from nunatak.inference.core.payload import Block, ParsedBody
from nunatak.transport.admission.admission import Class


class State(StrEnum):
    """The state of a request, and so its owner (docs/inference.md)."""

    ARRIVED = "arrived"
    ADMITTED = "admitted"
    QUEUED = "queued"
    BATCHED = "batched"
    RUNNING = "running"
    ANSWERED = "answered"
    REFUSED = "refused"
    EXPIRED = "expired"
    ABANDONED = "abandoned"


_ENDS = frozenset({State.ANSWERED, State.EXPIRED, State.ABANDONED})

TRANSITIONS: dict[State, frozenset[State]] = {
    State.ARRIVED: frozenset({State.ADMITTED, State.REFUSED}) | _ENDS,
    State.ADMITTED: frozenset({State.QUEUED, State.REFUSED}) | _ENDS,
    State.QUEUED: frozenset({State.BATCHED}) | _ENDS,
    State.BATCHED: frozenset({State.RUNNING}) | _ENDS,
    # A large request runs in parts: while some run, others are still queued.
    State.RUNNING: _ENDS,
    State.ANSWERED: frozenset(),
    State.REFUSED: frozenset(),
    State.EXPIRED: frozenset(),
    State.ABANDONED: frozenset(),
}
"""Every legal step; a step that is not here is a bug and raises."""

FINAL = frozenset(state for state, steps in TRANSITIONS.items() if not steps)


class IllegalStep(AssertionError):
    """A request was moved along a way that the table of states does not have."""


@dataclass(slots=True, eq=False)
class Part:
    """A part of a request: the rows of it that one batch computes."""

    call: "Call"
    index: int
    block: Block
    queued_at: float
    work_s: float = 0.0
    """What its rows should take, beside what a batch costs whatever its size."""
    taken: bool = False


class Call:
    """A request from arrival to its end.

    ``deadline`` and ``arrived`` are on the loop's clock. ``on_end`` is called exactly once, when
    the request reaches a final state, whoever moved it there.
    """

    __slots__ = (
        "_missing",
        "_results",
        "answer",
        "arrived",
        "batched_at",
        "blocks",
        "deadline",
        "ended_in",
        "error",
        "klass",
        "numbers",
        "on_end",
        "parts",
        "request_id",
        "rows",
        "size_bytes",
        "started_at",
        "state",
        "user",
    )

    def __init__(
        self,
        on_end: "Callable[[Call], None]",
        *,
        arrived: float,
        deadline: float,
        request_id: str = "",
        user: str = "",
        klass: Class = Class.INTERACTIVE,
    ) -> None:
        self.state = State.ARRIVED
        self.arrived = arrived
        self.deadline = deadline
        self.request_id = request_id
        self.user = user
        self.klass = klass
        self.size_bytes = 0
        self.on_end = on_end
        self.answer: tuple[BatchOutputs, int, int] | None = None
        self.error: Exception | None = None
        self.ended_in = State.ARRIVED
        self.batched_at = self.started_at = 0.0
        self.blocks: tuple[Block, ...] = ()
        self.rows = 0
        self.numbers: list[int] | None = None
        self.parts: tuple[Part, ...] = ()
        self._results: list[Columns | None] = []
        self._missing = 0

    def take(self, parsed: ParsedBody) -> None:
        """The body has been read: these are its rows."""
        self.blocks, self.rows, self.numbers = parsed.blocks, parsed.rows, parsed.numbers

    @property
    def ended(self) -> bool:
        """Whether a final state is reached."""
        return self.state in FINAL

    def move(self, to: State) -> None:
        """Take one step. Raises IllegalStep when the table has no such step."""
        if to not in TRANSITIONS[self.state]:
            raise IllegalStep(f"request {self.request_id!r}: {self.state} to {to}")
        self.state = to

    def cut(self, parts: tuple[Part, ...]) -> None:
        """The request will be computed in these parts, numbered in order of its rows."""
        self.parts = parts
        self._results, self._missing = [None] * len(parts), len(parts)

    def part_done(self, part: int, result: BatchOutputs, start: int, stop: int) -> None:
        """A part's rows are computed: rows ``start`` to ``stop`` of ``result``.

        The last missing part ends the request.
        """
        if self.ended:
            return
        if len(self._results) == 1:
            self.end(State.ANSWERED, answer=(result, start, stop))
            return
        self._results[part] = result.columns.slice(start, stop)
        self._missing -= 1
        if not self._missing:
            whole = Columns.concat([columns for columns in self._results if columns is not None])
            self.end(State.ANSWERED, answer=(BatchOutputs(whole), 0, whole.rows))

    def end(
        self,
        state: State,
        *,
        answer: tuple[BatchOutputs, int, int] | None = None,
        error: Exception | None = None,
    ) -> None:
        """Reach a final state and tell the owner of the connection; once only."""
        self.ended_in = self.state
        self.move(state)
        self.answer, self.error = answer, error
        self.blocks, self.parts, self._results = (), (), []
        self.on_end(self)
