"""Grantable privileges on kinds of objects that statements of other packages check."""

from __future__ import annotations

from collections.abc import Iterable

from nunatak.access.privileges.decide import ALL
from nunatak.access.privileges.requirement import OWNERSHIP
from nunatak.errors import InvalidArgument

_GRANTABLE = {
    "IMAGE_REPOSITORY": ("READ", "WRITE", "SERVICE READ", "SERVICE WRITE"),
    "INTEGRATION": ("USAGE",),
    "NETWORK_RULE": ("USAGE",),
    "SECRET": ("READ", "USAGE"),
}


def check_privileges(kind: str, privileges: Iterable[str]) -> None:
    """Raises InvalidArgument for a privilege that the kind is known not to have."""
    known = _GRANTABLE.get(kind)
    if known is None:
        return
    for privilege in privileges:
        if privilege not in (*known, OWNERSHIP, ALL):
            what = kind.replace("_", " ").lower()
            raise InvalidArgument(
                f"There is no privilege {privilege} on an object of kind {what}: use "
                f"{', '.join(known)}, {OWNERSHIP} or {ALL}."
            )
