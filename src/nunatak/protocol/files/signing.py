"""Addresses on this server that carry their own permission: signed, and good until a moment."""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
from pathlib import Path
from urllib.parse import parse_qsl, quote, urlencode

from nunatak.errors import TokenExpired, TokenInvalid

_KEY_BYTES = 32
PATH_LIMIT_CHARS = 8_192


def load_key(file: Path) -> bytes:
    """The signing key in a file, made on first use with mode 0600."""
    if not file.exists():
        handle = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "wb") as stream:
            stream.write(secrets.token_bytes(_KEY_BYTES))
    key = file.read_bytes()
    if len(key) < _KEY_BYTES:
        raise TokenInvalid(
            f"The key keys/{file.name} in the home is damaged: remove it; the next start makes a "
            "new one, and addresses that were given before are no longer good."
        )
    return key


class Signer:
    """Signs paths for one method. A signature covers method, path, end and extra parameters."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    def sign(self, method: str, path: str, *, expires_on: float, **extra: str) -> str:
        """The path, quoted, with the query string that `check` accepts until `expires_on`
        (seconds since the epoch)."""
        parameters = {**extra, "expires": str(int(expires_on))}
        parameters["signature"] = self._signature(method, path, parameters)
        return f"{quote(path)}?{urlencode(parameters)}"

    def check(self, method: str, path: str, query: str, *, now: float) -> dict[str, str]:
        """The extra parameters of a signed address; raises TokenInvalid or TokenExpired.

        `path` is unquoted, as servers hand it over.
        """
        if len(path) + len(query) > PATH_LIMIT_CHARS:
            raise TokenInvalid("The address is too long.")
        parameters = dict(parse_qsl(query, keep_blank_values=True, max_num_fields=20))
        given = parameters.pop("signature", "")
        wanted = self._signature(method, path, parameters)
        if not hmac.compare_digest(given.encode(), wanted.encode()):
            raise TokenInvalid("The address is not signed by this server.")
        if float(parameters.pop("expires")) <= now:
            raise TokenExpired("The address has expired: repeat the statement that gave it.")
        return parameters

    def _signature(self, method: str, path: str, parameters: dict[str, str]) -> str:
        text = "\n".join([method, path, urlencode(sorted(parameters.items()))])
        return hmac.new(self._key, text.encode(), hashlib.sha256).hexdigest()
