"""Run statements about models against a registry of its own, as one role of one session."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

from nunatak.access.service import Access
from nunatak.catalog.objects import Objects
from nunatak.catalog.store import Key
from nunatak.config import Settings
from nunatak.objects.places import Places
from nunatak.objects.tags import Tags
from nunatak.sql.language.injection import Injector
from nunatak.sql.language.statement import Context, Prepared, parse_registered
from nunatak.sql.language.tokens import TokenCursor
from nunatak.sql.models import create, models, system, tags, versions
from nunatak.stages.service import Stages
from nunatak.warehouse.core.request import StatementRequest
from nunatak.warehouse.core.results import Result
from nunatak.warehouse.core.session import Session
from nunatak.warehouse.core.statement_text import StatementText
from support.model_versions import Usage, open_models
from support.parts import Parts, injector_of
from support.places import let_use

FAMILIES = (create, models, system, tags, versions)


def parse(text: str) -> Prepared:
    """A statement of one of the families."""
    prepared = parse_registered(TokenCursor(StatementText(text)))
    assert prepared is not None, f"not registered: {text}"
    return prepared


class Bench:
    """One server's parts, as far as models need them, and a session."""

    def __init__(self, home: Path) -> None:
        self.usage = Usage()
        self.models = open_models(home, self.usage)
        settings = Settings(home=home)
        self.stage = settings.folder("stages") / "id-of-stg"
        with self.models.catalog.write() as transaction:
            key = Key("STAGE", "STG", "DB", "S")
            transaction.create(key, "ACCOUNTADMIN", spec={"id": self.stage.name})
        access = Access(self.models.catalog.database, settings)
        for role in ("ACCOUNTADMIN", "ANALYST"):
            access.roles.create(role, owner="ACCOUNTADMIN")
        let_use(access, "DB", "DB.S")
        access.users.create("U", owner="ACCOUNTADMIN")
        access.roles.grant("ACCOUNTADMIN", grantee_kind="USER", grantee="U", by="")
        parts = SimpleNamespace(
            settings=settings,
            catalog=self.models.catalog,
            access=access,
            stages=Stages(self.models.catalog, access, settings),
            objects=SimpleNamespace(
                plain=Objects(self.models.catalog),
                places=Places(self.models.catalog, access),
                tags=Tags(self.models.catalog),
            ),
            models=self.models,
        )
        self.parts = cast("Parts", parts)  # the parts that statements about models use
        self.session = Session(id=1, user="U", role="ACCOUNTADMIN", database="DB", schema="S")

    @property
    def injector(self) -> Injector:
        """What calls handlers with the services that they ask for."""
        return injector_of(self.parts)

    def context(self, parameters: Mapping[str, Any] | None = None) -> Context:
        """What a handler is given."""
        request = StatementRequest(
            session=self.session,
            statement=StatementText(""),
            query_id="q",
            parameters=parameters or {},
        )
        return Context(request=request)

    def rows(
        self, text: str, *, parameters: Mapping[str, Any] | None = None
    ) -> list[dict[str, Any]]:
        """Check the privileges, run, and return the rows by column name."""
        context = self.context(parameters)
        prepared = parse(text)
        result = prepared.run(context, self.injector)
        assert isinstance(result, Result)
        names = [field.name for field in result.fields]
        found = [row for batch in result.batches for row in batch.to_pylist()]
        assert all(list(row) == names for row in found)
        return found

    def status(self, text: str) -> str:
        """The status text of a statement that answers nothing else."""
        (row,) = self.rows(text)
        assert list(row) == ["status"]
        return str(row["status"])

    def close(self) -> None:
        """Release the catalog."""
        self.models.catalog.close()
