"""Capturing the requests of services, which is not offered: refused wherever it is asked for."""

from __future__ import annotations

from typing import Any

from nunatak.errors import Unsupported

VARIABLE = "SPCS_MODEL_INFERENCE_SERVER__AUTOCAPTURE_ENABLED"
"""The variable of a container by which clients see whether its service captures."""
_KEYS = frozenset({"autocapture", "autocapture_enabled", "enable_autocapture", VARIABLE.lower()})
_OFF = frozenset({"", "0", "false", "no", "off", "none", "null"})


def refuse_autocapture(document: Any) -> None:
    """Raise Unsupported where a document (of YAML or JSON) asks for capturing, however deep."""
    pending = [document]
    while pending:
        value = pending.pop()
        if isinstance(value, dict):
            for key, item in value.items():
                if _spelling(key) in _KEYS and not is_off(item):
                    raise unsupported()
            pending.extend(value.values())
        elif isinstance(value, list):
            pending.extend(value)
        elif isinstance(value, str):
            name, _, given = value.strip().lower().lstrip("-").replace("-", "_").partition("=")
            if (
                value.strip().startswith("--")
                and name in _KEYS
                and (not given or not is_off(given))
            ):
                raise unsupported()


def without_autocapture(document: Any) -> Any:
    """A document without the keys that switch capturing off, which say what holds anyway."""
    if isinstance(document, dict):
        kept = {key: item for key, item in document.items() if _spelling(key) not in _KEYS}
        return {key: without_autocapture(item) for key, item in kept.items()}
    if isinstance(document, list):
        return [without_autocapture(item) for item in document]
    return document


def _spelling(key: object) -> str:
    return str(key).strip().lower().replace("-", "_")


def is_off(value: Any) -> bool:
    """Whether a setting says no."""
    return value is None or str(value).strip().lower() in _OFF


def unsupported() -> Unsupported:
    """The refusal, in the vendor's words."""
    return Unsupported("Feature autocapture is not supported.")
