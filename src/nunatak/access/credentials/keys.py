"""Key pairs: public keys as users register them, and the tokens their private halves sign."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import jwt
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_der_public_key,
)

from nunatak.errors import InvalidArgument, JwtRefused

JWT_LIMIT_CHARS = 16_384
KEY_LIMIT_CHARS = 16_384
_LEAST_RSA_BITS = 2048
_LEEWAY_S = 60
"""How far the clocks of a client and of this server may differ."""
_LONGEST_VALIDITY_S = 3600 + _LEEWAY_S
_ALGORITHMS = ("RS256", "ES256", "ES384", "ES512")
_PEM_LINE = re.compile(r"-----[A-Z ]{1,40}-----")

PublicKey = rsa.RSAPublicKey | ec.EllipticCurvePublicKey


@dataclass(frozen=True, slots=True)
class Claims:
    """The claims of a key-pair token, before its signature was checked."""

    user: str
    account: str
    fingerprint: str


def parse_public_key(text: str) -> PublicKey:
    """A registered key: base64 DER, with or without PEM lines; raises InvalidArgument."""
    body = "".join(_PEM_LINE.sub("", text).split())
    try:
        key = load_der_public_key(base64.b64decode(body, validate=True))
    except (ValueError, binascii.Error, UnsupportedAlgorithm) as error:
        raise InvalidArgument(
            "New public key rejected by current policy. Reason: 'Invalid public key': give the "
            "base64 text of a PEM public key."
        ) from error
    if isinstance(key, rsa.RSAPublicKey) and key.key_size >= _LEAST_RSA_BITS:
        return key
    if isinstance(key, ec.EllipticCurvePublicKey):
        return key
    raise InvalidArgument(
        f"New public key rejected by current policy. Reason: 'Invalid public key': RSA of "
        f"{_LEAST_RSA_BITS} bits or more, or an elliptic curve key (P-256, P-384, P-521)."
    )


def fingerprint(key: PublicKey) -> str:
    """`SHA256:` and the base64 hash of the key's SubjectPublicKeyInfo."""
    der = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return "SHA256:" + base64.b64encode(hashlib.sha256(der).digest()).decode()


def read_claims(token: str) -> Claims:
    """The claims of a token whose signature is not yet checked; raises JwtRefused."""
    try:
        if len(token) > JWT_LIMIT_CHARS:
            raise JwtRefused("JWT token is too long.", reason="format")
        payload = jwt.decode(token, options={"verify_signature": False})
    except jwt.InvalidTokenError as error:
        raise JwtRefused("JWT token is invalid: it cannot be read.", reason="format") from error
    issuer, subject = _text(payload, "iss"), _text(payload, "sub")
    account, _, user = subject.upper().partition(".")
    prefix, mark, digest = issuer.partition(".SHA256:")
    if not mark or not user or prefix.upper() != f"{account}.{user}":
        raise JwtRefused(
            "JWT token is invalid: iss must be <ACCOUNT>.<USER>.SHA256:<fingerprint> and sub "
            "<ACCOUNT>.<USER>.",
            reason="format",
        )
    return Claims(user, account, "SHA256:" + digest)


def verify(token: str, keys: Sequence[str], *, claims: Claims, now: float) -> None:
    """Check a token against a user's registered keys; raises JwtRefused with the reason.

    `now` is seconds since the epoch.
    """
    key = _matching(keys, claims.fingerprint)
    try:
        payload = jwt.decode(
            token,
            key,
            algorithms=list(_ALGORITHMS),
            # Times are compared below, against the clock that was handed in.
            options={
                "verify_exp": False,
                "verify_nbf": False,
                "verify_iat": False,
                "verify_aud": False,
                "require": ["exp", "iat"],
            },
        )
    except jwt.InvalidAlgorithmError as error:
        allowed = ", ".join(_ALGORITHMS)
        raise JwtRefused(
            f"JWT token is signed otherwise than {allowed}.", reason="algorithm"
        ) from (error)
    except (jwt.InvalidTokenError, TypeError, ValueError) as error:
        raise JwtRefused("JWT token is invalid.", reason="invalid") from error
    _check_times(payload, now)


def _matching(keys: Sequence[str], wanted: str) -> PublicKey:
    for text in keys:
        key = parse_public_key(text)
        if hmac.compare_digest(fingerprint(key).encode(), wanted.encode()):
            return key
    raise JwtRefused(
        "JWT token is invalid: its public key fingerprint belongs to no key of the user.",
        reason="fingerprint",
    )


def _check_times(payload: dict[str, Any], now: float) -> None:
    issued, expires = _moment(payload, "iat"), _moment(payload, "exp")
    if expires + _LEEWAY_S <= now:
        raise JwtRefused("JWT token has expired.", reason="expired")
    if issued - _LEEWAY_S > now or _moment(payload, "nbf", issued) - _LEEWAY_S > now:
        raise JwtRefused(
            "JWT token is not valid yet: compare the clocks of client and server.",
            reason="not_yet_valid",
        )
    if expires - issued > _LONGEST_VALIDITY_S:
        raise JwtRefused("JWT token lives longer than an hour.", reason="invalid")


def _moment(payload: dict[str, Any], name: str, default: float | None = None) -> float:
    value = payload.get(name, default)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise JwtRefused(f"JWT token is invalid: {name} is not a time.", reason="format")
    return float(value)


def _text(payload: dict[str, Any], name: str) -> str:
    value = payload.get(name)
    if not isinstance(value, str):
        raise JwtRefused(f"JWT token is invalid: {name} is missing.", reason="format")
    return value
