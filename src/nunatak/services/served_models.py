"""Model versions as instances are told of them: the models room behind `ModelSource`."""

from __future__ import annotations

from nunatak.catalog.names import QualifiedName
from nunatak.compute.spec import FieldSpec, MethodSpec
from nunatak.errors import ObjectNotFound
from nunatak.models.functions import Method
from nunatak.models.modelyaml import Feature
from nunatak.models.reader import ModelReader
from nunatak.models.versions import Model, ModelVersion
from nunatak.services.ports import ServedMethod, ServedModel
from nunatak.services.spec import ModelRef


class ServedModels:
    """Finds versions that can be run (`nunatak.services.ports.ModelSource`)."""

    def __init__(self, models: ModelReader) -> None:
        self._models = models

    def resolve(self, model: QualifiedName, version: str | None) -> ServedModel:
        """The version of a name or alias, the default for None; raises ObjectNotFound."""
        found = self._models.get(model)
        return self._served(found, found.get(version))

    def load(self, ref: ModelRef) -> ServedModel:
        """The version that was resolved before; raises ObjectNotFound when it is gone."""
        found = self._models.version_by_id(ref.version_id)
        if found is None:
            raise ObjectNotFound("Model version", f"{ref.model}/{ref.version}")
        return self._served(*found)

    def _served(self, model: Model, version: ModelVersion) -> ServedModel:
        name = model.name
        return ServedModel(
            ref=ModelRef(name.database, name.schema, name.name, version.name, version.id),
            folder=self._models.folder(version),
            digest=version.digest,
            methods=tuple(map(served_method, self._models.content(version).methods)),
        )


def served_method(method: Method) -> ServedMethod:
    """A method with what SQL knows of it."""
    defaults = [argument.default for argument in method.arguments if argument.default is not None]
    params = zip(method.params, defaults, strict=True)
    return ServedMethod(
        spec=MethodSpec(
            name=method.name,
            handler=method.handler,
            path=method.path,
            kind=method.kind.value,
            inputs=tuple(map(_field, method.inputs)),
            params=tuple(
                FieldSpec(name=item.name, type=item.type, default=default)
                for item, default in params
            ),
            outputs=tuple(map(_field, method.outputs)),
            wide=method.is_wide,
            max_batch_size=method.max_batch_size,
        ),
        arguments=tuple((argument.name, argument.type) for argument in method.arguments),
        returns=method.return_type,
    )


def _field(feature: Feature) -> FieldSpec:
    return FieldSpec(name=feature.name, type=feature.type, nullable=feature.nullable)
