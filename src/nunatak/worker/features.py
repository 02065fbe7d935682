"""Features of the vendor's signatures: what they tell of themselves, by what is public of them."""

import importlib
from typing import Any, Optional

_SIGNATURES = "snowflake.ml.model.model_signature"


def shape_of(feature: Any) -> Optional[tuple[int, ...]]:
    """The shape of a cell; None for a scalar, and for what is no feature."""
    try:
        return feature.to_dict().get("shape")  # type: ignore[no-any-return]
    except AttributeError:
        return None


def numpy_type_of(feature: Any) -> Any:
    """The type of an array of a feature's values. Raises KeyError for a group of features."""
    types = importlib.import_module(_SIGNATURES).DataType
    return types[feature.to_dict()["type"]].value[-1]


def keep_bytes() -> None:
    """Let function files leave BYTES what they are: the type that they would turn them into, an
    array of equally long bytes, ends values at trailing zeros and makes b'None' of nulls."""
    try:
        signatures = importlib.import_module(_SIGNATURES)
    except ImportError:
        return  # handlers that need it will say so
    feature, raw = signatures.FeatureSpec, signatures.DataType.BYTES.value[-1]
    original = feature.as_dtype

    def as_dtype(self: Any, *arguments: Any, **options: Any) -> Any:
        wanted = original(self, *arguments, **options)
        return object if wanted is raw else wanted

    feature.as_dtype = as_dtype
