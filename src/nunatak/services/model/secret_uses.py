"""Secrets in specifications: `spec.containers[].secrets`, read, written and opened.

```yaml
secrets:
  - snowflakeSecret: db.schema.token        # or {objectName: db.schema.token}
    secretKeyRef: secret_string             # username, password
    envVarName: API_TOKEN
  - snowflakeSecret: db.schema.login
    directoryPath: /etc/login               # one file for each part
```
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from msgspec.structs import replace

from nunatak.access.privileges.requirement import Requirement
from nunatak.catalog.kinds import SecretSpec
from nunatak.catalog.names import QualifiedName, split_name
from nunatak.catalog.store import Key, Record, Transaction
from nunatak.errors import InvalidArgument, ObjectNotFound, PrivilegeMissing, Unsupported
from nunatak.services.model.spec import SecretUse
from nunatak.services.model.vault import KIND, Vault

SECRETS_LIMIT = 50
PARTS = {"GENERIC_STRING": ("secret_string",), "PASSWORD": ("username", "password")}
"""What the workers can be handed of a secret, by its type."""
PRIVILEGES = ("READ", "USAGE")
"""Either of them is enough to use a secret."""
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")
_KEPT = ("/proc", "/dev", "/sys", "/tmp")  # noqa: S108  the sandbox's own
_TOO_WIDE = ("/", "/usr", "/etc", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32")


@dataclass(frozen=True, slots=True)
class WrittenSecret:
    """A use as it was written: its name is completed by the service's schema."""

    name: tuple[str, ...]
    use: SecretUse

    def within(self, key: Key) -> SecretUse:
        """The use in the service at `key`."""
        name = QualifiedName.of(self.name, database=key.database, schema=key.schema)
        return replace(self.use, secret=name)


def parse_secrets(entries: object, env: Mapping[str, str]) -> tuple[WrittenSecret, ...]:
    """Read the list; raises InvalidArgument, Unsupported. `env` are the container's variables."""
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise InvalidArgument("secrets must be a list of maps with snowflakeSecret.")
    if len(entries) > SECRETS_LIMIT:
        raise InvalidArgument(f"A service uses at most {SECRETS_LIMIT} secrets.")
    found = tuple(map(_parse, entries))
    variables = [*env, *(item.use.variable for item in found if item.use.variable)]
    for variable in variables:
        if variables.count(variable) > 1:
            raise InvalidArgument(f"The variable {variable} is given twice.")
    folders = [PurePosixPath(item.use.directory) for item in found if item.use.directory]
    for at, folder in enumerate(folders):
        if any(folder.is_relative_to(other) for other in folders[:at] + folders[at + 1 :]):
            raise InvalidArgument(f"directoryPath {folder} lies in that of another secret.")
    return found


def _parse(entry: Mapping[str, Any]) -> WrittenSecret:
    name = entry.get("snowflakeSecret")
    if isinstance(name, dict):
        if "objectReference" in name:
            raise Unsupported("objectReference of a secret is not supported: use objectName.")
        name = name.get("objectName")
    if not isinstance(name, str):
        raise InvalidArgument("An entry of secrets needs snowflakeSecret: <name of the secret>.")
    variable, folder = entry.get("envVarName"), entry.get("directoryPath")
    if (variable is None) == (folder is None):
        raise InvalidArgument(f"Secret {name} needs either envVarName or directoryPath.")
    nothing = QualifiedName("", "", "")
    if folder is not None:
        use = SecretUse(secret=nothing, directory=_directory(folder))
    else:
        use = SecretUse(secret=nothing, variable=_variable(variable), part=_part(entry, name))
    return WrittenSecret(split_name(name), use)


def _directory(value: object) -> str:
    path = PurePosixPath(str(value))
    text = str(path)
    if not path.is_absolute() or ".." in path.parts or text.startswith("//"):
        raise InvalidArgument(f"directoryPath '{value}' must be an absolute path.")
    if text in _TOO_WIDE or any(path.is_relative_to(kept) for kept in _KEPT):
        raise InvalidArgument(f"directoryPath '{value}' is the system's: use one of your own.")
    return text


def _variable(value: object) -> str:
    if not isinstance(value, str) or not _VARIABLE.match(value):
        raise InvalidArgument(f"envVarName '{value}' is no name of a variable.")
    return value


def _part(entry: Mapping[str, Any], name: str) -> str:
    part = str(entry.get("secretKeyRef", "")).lower()
    known = sorted({part for parts in PARTS.values() for part in parts})
    if part not in known:
        raise InvalidArgument(f"Secret {name} needs secretKeyRef: one of {', '.join(known)}.")
    return part


def secrets_document(uses: Iterable[SecretUse]) -> list[dict[str, Any]]:
    """The list again, for a specification."""
    found = []
    for use in uses:
        entry: dict[str, Any] = {"snowflakeSecret": {"objectName": str(use.secret)}}
        if use.directory:
            entry["directoryPath"] = use.directory
        else:
            entry |= {"secretKeyRef": use.part, "envVarName": use.variable}
        found.append(entry)
    return found


class SecretReader:
    """Opens secrets for the role that owns a service; safe to use from many threads."""

    def __init__(self, vault: Vault, allows: Callable[[str, Requirement], bool]) -> None:
        """`allows` decides whether a role meets a requirement."""
        self._vault = vault
        self._allows = allows

    def check(self, tx: Transaction, uses: Sequence[SecretUse], *, owner: str) -> None:
        """Raises ObjectNotFound, PrivilegeMissing, Unsupported (a type), or InvalidArgument for a
        part that is not there."""
        for use in uses:
            self._record(tx, use, owner)

    def environment(
        self, tx: Transaction, uses: Sequence[SecretUse], *, owner: str
    ) -> dict[str, str]:
        """The variables; raises as `check`."""
        return {
            use.variable: self._open(self._record(tx, use, owner))[use.part]
            for use in uses
            if use.variable
        }

    def files(
        self, tx: Transaction, uses: Sequence[SecretUse], *, owner: str
    ) -> dict[str, dict[str, str]]:
        """The files, by folder and name; raises as `check`."""
        return {
            use.directory: self._open(self._record(tx, use, owner)) for use in uses if use.directory
        }

    def problems(self, tx: Transaction, uses: Sequence[SecretUse], *, owner: str) -> list[str]:
        """Reasons why secrets that a service uses cannot be opened any more."""
        found = []
        for use in uses:
            try:
                self._record(tx, use, owner)
            except (ObjectNotFound, PrivilegeMissing, InvalidArgument) as error:
                found.append(error.message)
        return found

    def _record(self, tx: Transaction, use: SecretUse, owner: str) -> Record:
        key = Key.of(KIND, use.secret)
        record = tx.find(key)
        if record is None:
            hint = "A service uses it: create it, or alter the specification of the service."
            raise ObjectNotFound("Secret", key.title, hint=hint)
        if not any(self._allows(owner, Requirement(it, KIND, key.title)) for it in PRIVILEGES):
            raise PrivilegeMissing(
                f"Insufficient privileges to operate on secret '{key.title}': role {owner}, which "
                f"owns the service, needs READ on it: GRANT READ ON SECRET {key.title} TO ROLE "
                f"{owner}."
            )
        kind = SecretSpec.read(record.spec).type
        if kind not in PARTS:
            raise Unsupported(
                f"Secret {key.title} is of type {kind}; services are handed {' or '.join(PARTS)}."
            )
        if use.part and use.part not in PARTS[kind]:
            raise InvalidArgument(
                f"Secret {key.title} of type {kind} has {' and '.join(PARTS[kind])}, and no "
                f"{use.part}."
            )
        return record

    def _open(self, record: Record) -> dict[str, str]:
        values = self._vault.open(SecretSpec.read(record.spec).sealed)
        return {name.lower(): value for name, value in values.items()}
