"""MODEL objects by their keys, as objects of every kind are found and dropped."""

from __future__ import annotations

from collections.abc import Sequence

from nunatak.catalog.store import Key
from nunatak.models.registry import Models
from nunatak.models.versions import Model


class ModelObjects:
    """The models as objects of the account. Who may is decided before. Safe to use from many
    threads."""

    def __init__(self, models: Models) -> None:
        self._models = models

    def get(self, key: Key) -> Model:
        """A model; raises ObjectNotFound."""
        return self._models.get(key.qualified)

    def listed(self, *, database: str | None = None, schema: str | None = None) -> Sequence[Model]:
        """The models in a place, by name."""
        return self._models.within(database=database, schema=schema)

    def drop(self, key: Key, *, if_exists: bool = False) -> bool:
        """Remove a model with its versions; whether it was there. Raises ObjectNotFound, and
        ObjectInUse while a service uses a version."""
        return self._models.dropper.drop(key.qualified, if_exists=if_exists)
