"""The confinement policy: foreign code runs confined, or because the operator said so."""

from __future__ import annotations

import os
from dataclasses import dataclass

from nunatak.confinement.bubblewrap import sandbox
from nunatak.confinement.users import other_user
from nunatak.errors import ConfinementMissing

_WAY_OUT = (
    "Install bubblewrap, or let this user make namespaces; or start the server with"
    " --allow-unconfined to run models and builds without."
)
_BY = {
    "bubblewrap": "bubblewrap",
    "namespaces": "namespaces that the server makes itself (bubblewrap is not used)",
}


@dataclass(frozen=True, slots=True)
class Confinement:
    """`obstacle` is why nothing can be shut in; empty when it can, by `sandbox`."""

    obstacle: str
    allow_unconfined: bool
    sandbox: str = "bubblewrap"

    @property
    def available(self) -> bool:
        """Whether models and builds are shut in."""
        return not self.obstacle

    def check(self) -> None:
        """Raises ConfinementMissing when foreign code would run unconfined, and nobody asked."""
        if self.obstacle and not self.allow_unconfined:
            raise ConfinementMissing(
                f"Models and builds are not run: they cannot be confined on this machine, because"
                f" {self.obstacle}. {_WAY_OUT}"
            )

    @property
    def detail(self) -> str:
        """Account of what is confined and what is not, for the operator."""
        if self.available:
            other = "as users of their own, " if other_user("") is not None else ""
            return (
                f"models and builds are confined by {_BY[self.sandbox]}: {other}without network"
                " but the egress proxy, without sight of other files and processes; the server"
                " itself is not confined"
            )
        if not self.allow_unconfined:
            return f"models and builds are refused: {self.obstacle}. {_WAY_OUT}"
        if os.geteuid() != 0:
            rights = "with all rights of this user, files and network"
        elif other_user("") is None:
            rights = "as this user without capabilities, with its files and network"
        else:
            rights = "as users of their own, without sight of the home, but with network"
        return (
            f"models and builds are NOT confined, as asked with --allow-unconfined: they run"
            f" {rights} ({self.obstacle})"
        )


def confinement(*, allow_unconfined: bool = False) -> Confinement:
    """Confinement that this machine allows, tried once per process."""
    found = sandbox()
    return Confinement(found.obstacle, allow_unconfined, found.name)
