"""Statements in the audit log."""

from __future__ import annotations

from nunatak.audit.log import AuditLog
from nunatak.protocol.queries import Query, QueryStatus


def record_end(audit: AuditLog, query: Query) -> None:
    """Record how a statement ended; of those that only ask what one would answer, refusals."""
    if not query.describes or query.status is not QueryStatus.SUCCESS:
        audit.record(query.ended())
