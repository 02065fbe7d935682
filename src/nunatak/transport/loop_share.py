"""Work of many requests, done a little in each turn of the event loop.

A turn of the loop looks at its sockets once. What is done between two looks holds up everyone
whose bytes have come meanwhile, refusals too; so what dozens of requests bring at once is done a
few at a time, in order, with a look at the sockets in between.
"""

import asyncio
from collections import deque
from collections.abc import Callable

SHARE = 8


class Turns:
    """A line of small pieces of work, ``share`` of which are done in a turn of the loop.

    A piece is done at once while the turn has room for it and nothing waits. Belongs to one loop.
    What waits is bounded by whoever adds it: a piece or two for each request that was let in, or
    what one read of a socket brought.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, *, share: int = SHARE) -> None:
        self._loop = loop
        self._share = self._left = share
        self._waiting: deque[Callable[[], None]] = deque()
        self._planned = False

    @property
    def is_behind(self) -> bool:
        """Whether work waits for a later turn."""
        return bool(self._waiting)

    def do(self, work: Callable[[], None]) -> None:
        """Do ``work`` now, or when its turn comes."""
        if not self._planned:
            self._plan()
        if self._left and not self._waiting:
            self._left -= 1
            work()
        else:
            self._waiting.append(work)

    def _next(self) -> None:
        self._left, self._planned = self._share, False
        if self._waiting:
            self._plan()  # first, so that one piece that fails costs no other its turn
        while self._waiting and self._left:
            self._left -= 1
            self._waiting.popleft()()

    def _plan(self) -> None:
        self._planned = True
        self._loop.call_soon(self._next)
