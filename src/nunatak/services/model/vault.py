"""Secrets at rest: values are kept encrypted, with a key that never enters the catalog."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path

from cryptography.fernet import Fernet, InvalidToken

from nunatak.errors import NunatakError

KIND = "SECRET"
KEY_FILE = "secrets.key"


class Vault:
    """Encrypts and decrypts the values of secrets; safe to use from many threads."""

    def __init__(self, folder: Path) -> None:
        """`folder` holds the key, which is made when it is not there."""
        self._fernet = Fernet(_key(folder / KEY_FILE))

    def seal(self, values: Mapping[str, str]) -> str:
        """The values as one encrypted text."""
        return self._fernet.encrypt(json.dumps(dict(values)).encode()).decode()

    def open(self, sealed: str) -> dict[str, str]:
        """The values again; raises NunatakError when they were sealed with another key."""
        try:
            text = self._fernet.decrypt(sealed.encode())
        except InvalidToken as error:
            raise NunatakError(
                "A secret cannot be decrypted: the key in keys/secrets.key is not the one that it "
                "was made with. Put that key back, or set the secret again."
            ) from error
        return {str(name): str(value) for name, value in json.loads(text).items()}


def _is_key(key: bytes) -> bool:
    try:
        Fernet(key)
    except ValueError:
        return False
    return True


def _key(file: Path) -> bytes:
    """The key in the file, made when there is none; raises NunatakError for a damaged one."""
    try:
        descriptor = os.open(file, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    except FileExistsError:
        key = file.read_bytes()
        if not _is_key(key):
            raise NunatakError(
                f"The key keys/{file.name} in the home is damaged: put it back from a backup. "
                "Without it the secrets of the account cannot be read."
            ) from None
        return key
    key = Fernet.generate_key()
    with os.fdopen(descriptor, "wb") as opened:
        opened.write(key)
        opened.flush()
        os.fsync(opened.fileno())
    return key
