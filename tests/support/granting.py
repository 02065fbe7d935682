"""Privileges taken back in tests by somebody who may do everything."""

from __future__ import annotations

from collections.abc import Sequence

from nunatak.access.privileges.granting import Granter
from nunatak.access.privileges.grants import Taking
from nunatak.access.privileges.roles import ACCOUNTADMIN
from nunatak.access.service import Access
from nunatak.catalog.store import Key

ADMINISTRATOR = Granter(primary=ACCOUNTADMIN, roles=frozenset({ACCOUNTADMIN}), manages=True)


def take(access: Access, privileges: Sequence[str], kind: str, title: str, role: str) -> None:
    """Take privileges from a role, with what depends on them."""
    cascade = Taking(cascade=True)
    access.grants.take(privileges, kind, [title], role=role, by=ADMINISTRATOR, taking=cascade)


class AnyHeir:
    """Rules by which every role may own a service."""

    def check_heir(self, key: Key, role: str) -> None:
        """Nothing is in the way."""
