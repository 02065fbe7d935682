"""Statements that the parser's library takes, although they lack what their kind needs.

It reads `ARRAY_AGG(DISTINCT)` and `COPY INTO t` without a source, and stumbles itself over some
texts. Every reader of a tree would have to ask for each part that a sound statement has.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from sqlglot.errors import SqlglotError

from nunatak.errors import NunatakError, SyntaxInvalid

_LOGGER = logging.getLogger(__name__)
_STUMBLES = (AttributeError, LookupError, TypeError, ValueError, AssertionError, SqlglotError)


@contextmanager
def reading() -> Iterator[None]:
    """Within it a tree is made or read: raises SyntaxInvalid where one lacks a part, and tells
    the log where that was."""
    try:
        yield
    except NunatakError:
        raise
    except _STUMBLES as error:
        _LOGGER.warning("a statement could not be understood", exc_info=error)
        raise SyntaxInvalid(
            "SQL compilation error:\nThe statement cannot be understood as it is written: a "
            "function or a clause lacks something, or has something that it does not take."
        ) from error
