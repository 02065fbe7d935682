"""The functions of a model version, as SQL, Python and HTTP callers see them.

The manifest says what SQL calls: names, arguments, defaults. The signature in model.yaml says what
the Python method takes and answers, with names in their original case. A `Method` holds both.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from nunatak.catalog.names import is_unquoted, quoted
from nunatak.catalog.sqltypes import parse_type
from nunatak.errors import InvalidArgument, LimitExceeded
from nunatak.models.contents.defaults import fitted, told
from nunatak.models.contents.literals import read_literal
from nunatak.models.contents.manifest import (
    MANIFEST_FILE,
    Argument,
    Manifest,
    MethodEntry,
    MethodKind,
)
from nunatak.models.contents.modelyaml import Feature, ModelDescription, Signature

_WIDE_INPUT = ("INPUT", "OBJECT")
_BATCH_SIZE = re.compile(r"^MAX_BATCH_SIZE = (\d+)$", re.MULTILINE)
_USAGE_ARGUMENTS = 20
_HANDLER_LIMIT_BYTES = 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Method:
    """A callable method of a version.

    `arguments` are SQL's, inputs before params; of a wide method it is one OBJECT, which the host
    takes apart into `inputs`. `inputs`, `params` and `outputs` carry the names of the signature.
    """

    name: str
    target: str
    """The Python method's name."""
    handler: str
    kind: MethodKind
    arguments: tuple[Argument, ...]
    inputs: tuple[Feature, ...]
    params: tuple[Feature, ...]
    outputs: tuple[Feature, ...]
    return_type: str
    """`OBJECT`, the type of a single value, or `TABLE (…)`."""
    volatility: str | None
    is_wide: bool
    is_partitioned: bool
    max_batch_size: int | None
    """Most rows that one call of the handler takes; None leaves it to the host."""
    sample_input_path: str | None

    @property
    def path(self) -> str:
        """The path of its HTTP endpoint: `predict_proba` is served at `/predict-proba`."""
        return self.target.replace("_", "-")

    @property
    def is_table_function(self) -> bool:
        """Whether SQL calls it in FROM, as TABLE(…)."""
        return self.kind is MethodKind.TABLE_FUNCTION

    @property
    def returns_object(self) -> bool:
        """Whether a row's outputs come packed into one OBJECT."""
        return self.return_type == "OBJECT"

    @property
    def required_arguments(self) -> int:
        """Number of arguments that every call must give."""
        return sum(argument.default is None for argument in self.arguments)

    @property
    def usage(self) -> str:
        """The arguments and the result as people read them, cut when there are many."""
        shown = self.arguments[:_USAGE_ARGUMENTS]
        parts = [
            f"{quoted(item.name)} {item.type}"
            + ("" if item.default is None else f" DEFAULT {item.default}")
            for item in shown
        ]
        if len(shown) < len(self.arguments):
            parts.append(f"… {len(self.arguments) - len(shown)} more")
        return f"({', '.join(parts)}) RETURNS {self.return_type}"

    @property
    def defaults(self) -> tuple[Any, ...]:
        """Values of the params when nobody gives them, each in the form of its type.

        Raises InvalidArgument for a default that cannot be read, or does not fit.
        """
        given = [item for item in self.arguments if item.default is not None]
        return tuple(
            self._default(item, feature) for item, feature in zip(given, self.params, strict=True)
        )

    def _default(self, argument: Argument, feature: Feature) -> Any:
        """The signature has it as Python does; where it says nothing, the manifest's SQL holds."""
        try:
            literal = read_literal(argument.default or "")
            value = literal if feature.default is None else feature.default
            return fitted(value, parse_type(argument.type))
        except (InvalidArgument, LimitExceeded) as error:
            raise InvalidArgument(
                f"{MANIFEST_FILE}: the default of parameter {quoted(argument.name)} of method "
                f"{quoted(self.name)} cannot be read: {error.message}"
            ) from error

    def instance_entry(self) -> dict[str, Any]:
        """The method as an inference instance is told about it (one entry of "methods")."""
        return {
            "name": self.name,
            "handler": self.handler,
            "kind": self.kind.value,
            "inputs": [_field_entry(item) for item in self.inputs],
            "params": [
                _field_entry(item) | {"default": told(default)}
                for item, default in zip(self.params, self.defaults, strict=True)
            ],
            "outputs": [
                {"name": item.name, "type": item.type, "nullable": item.nullable}
                for item in self.outputs
            ],
            "wide": self.is_wide,
            "path": self.path,
            "max_batch_size": self.max_batch_size,
        }


def _field_entry(item: Feature) -> dict[str, Any]:
    """An input or parameter; its identifier where the name alone would mean another."""
    entry: dict[str, Any] = {"name": item.name, "type": item.type}
    usual = item.name.upper() if is_unquoted(item.name) else item.name
    if item.identifier not in (None, usual):
        entry["identifier"] = item.identifier
    if item.reals is not None:
        entry["reals"] = item.reals
    if item.limits is not None:
        entry["limits"] = item.limits
    return entry


def methods_of(
    manifest: Manifest, description: ModelDescription, folder: Path
) -> tuple[Method, ...]:
    """The methods of a version whose files are in `folder`, in the manifest's order."""
    return tuple(_method(entry, description, folder) for entry in manifest.methods)


def _method(entry: MethodEntry, description: ModelDescription, folder: Path) -> Method:
    signature = _signature_of(entry, description)
    single = [(item.name, item.type) for item in entry.inputs]
    is_wide = single == [_WIDE_INPUT] and signature is not None and len(signature.inputs) != 1
    return Method(
        name=entry.name,
        target=entry.target,
        handler=entry.handler,
        kind=entry.kind,
        arguments=(*entry.inputs, *entry.params),
        inputs=_inputs(entry, signature, is_wide=is_wide),
        params=_named(entry.params, signature.params if signature else ()),
        outputs=_outputs(entry, signature),
        return_type=_return_type(entry),
        volatility=entry.volatility,
        is_wide=is_wide,
        is_partitioned=entry.target in description.partitioned,
        max_batch_size=_max_batch_size(folder / entry.module_path),
        sample_input_path=signature.sample_input_path if signature else None,
    )


def _signature_of(entry: MethodEntry, description: ModelDescription) -> Signature | None:
    found = description.signatures.get(entry.target)
    if found is not None:
        return found
    alike = [
        signature
        for name, signature in description.signatures.items()
        if name.upper() == entry.name.upper()
    ]
    return alike[0] if len(alike) == 1 else None


def _inputs(
    entry: MethodEntry, signature: Signature | None, *, is_wide: bool
) -> tuple[Feature, ...]:
    if is_wide and signature is not None:
        return signature.inputs
    return _named(entry.inputs, signature.inputs if signature else ())


def _named(arguments: tuple[Argument, ...], features: tuple[Feature, ...]) -> tuple[Feature, ...]:
    """SQL's types under the signature's names; both lists are in the same order."""
    if len(arguments) != len(features):
        return tuple(Feature(item.name, item.type, identifier=item.name) for item in arguments)
    return tuple(
        replace(feature, type=argument.type, identifier=argument.name)
        for argument, feature in zip(arguments, features, strict=True)
    )


def _outputs(entry: MethodEntry, signature: Signature | None) -> tuple[Feature, ...]:
    if entry.kind is MethodKind.TABLE_FUNCTION:
        columns = tuple(Argument(item.name or "", item.type) for item in entry.outputs)
        return _named(columns, signature.outputs if signature else ())
    if signature is not None:
        return signature.outputs
    return tuple(Feature(item.name or entry.target, item.type) for item in entry.outputs)


def _return_type(entry: MethodEntry) -> str:
    if entry.kind is MethodKind.FUNCTION:
        return entry.outputs[0].type
    columns = ", ".join(f"{quoted(item.name or '')} {item.type}" for item in entry.outputs)
    return f"TABLE ({columns})"


def _max_batch_size(module: Path) -> int | None:
    """The bound that the generated handler module states, if it is there to be read."""
    if not module.is_file() or module.stat().st_size > _HANDLER_LIMIT_BYTES:
        return None
    found = _BATCH_SIZE.search(module.read_text("utf-8", errors="replace"))
    return int(found.group(1)) if found else None
