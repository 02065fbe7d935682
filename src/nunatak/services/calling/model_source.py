"""Model versions as services run them, from the room of models."""

from __future__ import annotations

from nunatak.catalog.names import QualifiedName
from nunatak.catalog.sqltypes import parse_type
from nunatak.compute.spec import FieldSpec, MethodSpec
from nunatak.errors import InvalidArgument, ObjectNotFound
from nunatak.models.contents.defaults import sql_text
from nunatak.models.contents.functions import Method
from nunatak.models.reader import ModelReader
from nunatak.models.versions import Model, ModelVersion
from nunatak.services.model.ports import ServedMethod, ServedModel
from nunatak.services.model.spec import ModelRef
from nunatak.warehouse.core.results import Field
from nunatak.warehouse.model_calls.arguments import MethodParameter, MethodSignature

PLATFORM = "SNOWPARK_CONTAINER_SERVICES"
WAREHOUSE = "WAREHOUSE"


class ModelVersions:
    """The real ModelSource; safe to use from many threads."""

    def __init__(self, models: ModelReader) -> None:
        self._models = models

    def resolve(self, model: QualifiedName, version: str) -> ServedModel:
        """The version of a name or alias; raises ObjectNotFound, and InvalidArgument for one that
        no service can run."""
        found = self._models.version(model, version)
        if found.is_live:
            raise InvalidArgument(
                f"Version {found.name} of model {model} is live: commit it before deploying it."
            )
        if PLATFORM not in found.runnable_in:
            reasons = " ".join(found.runnable_reasons)
            raise InvalidArgument(
                f"Version {found.name} of model {model} cannot run in a service. {reasons}".strip()
            )
        ref = ModelRef(model.database, model.schema, model.name, found.name, found.id)
        return self._served(ref, found)

    def resolve_for_warehouse(self, model: QualifiedName, version: str) -> ServedModel:
        """The version of a name or alias; raises ObjectNotFound, and InvalidArgument for one that
        the warehouse cannot run."""
        found = self._models.version(model, version)
        if found.is_live:
            raise InvalidArgument(
                f"Version {found.name} of model {model} is live: commit it before calling it."
            )
        if WAREHOUSE not in found.runnable_in:
            reasons = " ".join(found.runnable_reasons)
            raise InvalidArgument(
                f"Version {found.name} of model {model} cannot run in a warehouse: deploy it as a"
                f" service. {reasons}".strip()
            )
        ref = ModelRef(model.database, model.schema, model.name, found.name, found.id)
        return self._served(ref, found)

    def load(self, ref: ModelRef) -> ServedModel:
        """The version that was resolved before; raises ObjectNotFound when it is gone."""
        return self._served(ref, self._found(ref)[1])

    def name_of(self, ref: ModelRef) -> QualifiedName:
        """Name of the model of a version now; raises ObjectNotFound when it is gone."""
        return self._found(ref)[0].record.qualified

    def _found(self, ref: ModelRef) -> tuple[Model, ModelVersion]:
        found = self._models.version_by_id(ref.version_id)
        if found is None:
            raise ObjectNotFound("Version", f"{ref.model} {ref.version}", hint="It was dropped.")
        return found

    def _served(self, ref: ModelRef, version: ModelVersion) -> ServedModel:
        content = self._models.content(version)
        return ServedModel(
            ref=ref,
            folder=self._models.folder(version),
            digest=version.digest,
            methods=tuple(served_method(method) for method in content.methods),
        )


def served_method(method: Method) -> ServedMethod:
    """A method as an instance and as SQL see it."""
    return ServedMethod(spec=method_spec(method), signature=method_signature(method))


def method_spec(method: Method) -> MethodSpec:
    """Specification of a method, as an instance is told of it."""
    entry = method.instance_entry()
    return MethodSpec(
        name=entry["name"],
        handler=entry["handler"],
        path=entry["path"],
        kind=entry["kind"],
        inputs=tuple(FieldSpec(**item) for item in entry["inputs"]),
        params=tuple(FieldSpec(**item) for item in entry["params"]),
        outputs=tuple(FieldSpec(**item) for item in entry["outputs"]),
        wide=entry["wide"],
        max_batch_size=entry["max_batch_size"],
    )


def method_signature(method: Method) -> MethodSignature:
    """Signature of what SQL gives to a method and gets from it."""
    inputs = [item for item in method.arguments if item.default is None]
    params = [item for item in method.arguments if item.default is not None]
    return MethodSignature(
        inputs=tuple(MethodParameter(item.name, parse_type(item.type)) for item in inputs),
        params=tuple(
            MethodParameter(item.name, kind := parse_type(item.type), sql_text(default, kind))
            for item, default in zip(params, method.defaults, strict=True)
        ),
        outputs=tuple(
            Field(item.name, parse_type(item.type), item.nullable) for item in method.outputs
        ),
        is_native=not method.returns_object and not method.is_table_function,
    )
