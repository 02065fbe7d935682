"""Rules of secrets: named values, kept encrypted and never shown."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass

from nunatak.catalog.kinds import SecretSpec
from nunatak.catalog.store import Catalog, Key, Transaction
from nunatak.errors import InvalidArgument, Unsupported
from nunatak.objects.ruled import RuledObjects, Values
from nunatak.services.model.vault import KIND, Vault

_KEY_BYTES = 32


@dataclass(frozen=True, slots=True)
class _Type:
    """Properties of a type of secrets: `sealed` values are encrypted, `shown` ones described."""

    sealed: tuple[str, ...] = ()
    shown: tuple[str, ...] = ()
    optional: tuple[str, ...] = ()


_TYPES = {
    "GENERIC_STRING": _Type(sealed=("SECRET_STRING",)),
    "PASSWORD": _Type(sealed=("USERNAME", "PASSWORD")),
    "OAUTH2": _Type(
        sealed=("OAUTH_REFRESH_TOKEN",),
        shown=("API_AUTHENTICATION", "OAUTH_SCOPES", "OAUTH_REFRESH_TOKEN_EXPIRY_TIME"),
        optional=("OAUTH_SCOPES", "OAUTH_REFRESH_TOKEN", "OAUTH_REFRESH_TOKEN_EXPIRY_TIME"),
    ),
    "SYMMETRIC_KEY": _Type(shown=("ALGORITHM",)),
}


class Secrets:
    """Properties of secrets: TYPE, and those of the type; texts, lists of texts, and a moment in
    seconds since 1970."""

    kind = KIND
    structure = SecretSpec

    def __init__(self, vault: Vault) -> None:
        self._vault = vault

    def spec(self, _: Transaction, values: Values, old: SecretSpec | None) -> SecretSpec:
        """The type, what is shown, and what is sealed."""
        kind = values.get("TYPE", None if old is None else old.type)
        wanted = _TYPES.get(str(kind))
        if wanted is None:
            raise Unsupported(
                f"Secrets of type {kind or '(none)'} are not supported by this server: use "
                f"{', '.join(_TYPES)}."
            )
        if old is not None and kind != old.type:
            raise InvalidArgument("The type of a secret cannot be changed: replace the secret.")
        given = {name: value for name, value in values.items() if name != "TYPE"}
        before = {} if old is None else {**old.shown, **self._vault.open(old.sealed)}
        kept = {**before, **given}
        known = (*wanted.sealed, *wanted.shown)
        if strange := [name for name in given if name not in known]:
            raise InvalidArgument(f"A secret of type {kind} has no {', '.join(strange)}.")
        if missing := [name for name in known if name not in kept and name not in wanted.optional]:
            raise InvalidArgument(f"A secret of type {kind} needs {' and '.join(missing)}.")
        if kind == "SYMMETRIC_KEY" and kept["ALGORITHM"] != "GENERIC":
            raise InvalidArgument("The algorithm of a SYMMETRIC_KEY is GENERIC.")
        sealed = {name: kept[name] for name in wanted.sealed if name in kept}
        if kind == "SYMMETRIC_KEY":
            sealed = {"KEY": before.get("KEY") or secrets.token_hex(_KEY_BYTES)}
        return SecretSpec(
            type=str(kind),
            username=kept.get("USERNAME"),
            shown={name: kept[name] for name in wanted.shown if name in kept},
            sealed=self._vault.seal(sealed),
        )

    def check(self, _: Transaction, __: Key, ___: SecretSpec | None) -> None:
        """Nothing forbids it: services that use a dropped secret fail with its name."""


class SecretObjects(RuledObjects):
    """The secrets of the account."""

    def __init__(
        self, catalog: Catalog, vault: Vault, *, announce: Callable[[], None] = lambda: None
    ) -> None:
        super().__init__(catalog, Secrets(vault), announce=announce)
