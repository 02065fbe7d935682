"""Results of earlier statements, read again by RESULT_SCAN."""

from __future__ import annotations

from nunatak.errors import QueryForgotten
from nunatak.protocol.results.result_store import ResultStore
from nunatak.warehouse.core.results import Result
from nunatak.warehouse.core.session import Session


class StoredResults:
    """Answers `nunatak.warehouse.core.hooks.KeptResults` from the store."""

    def __init__(self, store: ResultStore) -> None:
        self._store = store

    def result(self, session: Session, query_id: str) -> Result:
        """The rows again, for the user who ran the statement; raises QueryForgotten."""
        stored = self._store.get(query_id)
        if not session.is_of_user(stored.user, stored.finished_on):
            raise QueryForgotten(f"Statement {query_id} not found.")
        fields, batches = self._store.load(query_id)
        return Result(fields=fields, batches=batches)
