"""Work that is repeated until it is cancelled."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

_log = logging.getLogger(__name__)


async def repeat(work: Callable[[], object], *, every_s: float, name: str) -> None:
    """Run `work` in a thread every `every_s` seconds, the first time after so long.

    A failure is logged under `name`; the next round may do better. Ends only when cancelled, and
    then does not wait for a round that is under way.
    """
    while True:
        await asyncio.sleep(every_s)
        try:
            await asyncio.to_thread(work)
        except Exception:  # noqa: BLE001 the boundary of the task: nobody waits for it
            _log.exception("%s failed", name)
