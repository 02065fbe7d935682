"""The deployment's YAML: what is there is read, and an error names the entry."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from nunatak.catalog.names import QualifiedName
from nunatak.errors import InvalidArgument, Unsupported
from nunatak.services.documents.deployment import DeploymentOrder, parse_deployment
from nunatak.services.model.spec import Requested

SERVICE = {"name": "SVC", "compute_pool": "P"}


def order(
    service: object = None, build: object = None, models: object = None, **more: Any
) -> DeploymentOrder:
    document = {
        "models": [{"name": "M", "version": "V1"}] if models is None else models,
        "service": {**SERVICE, **service} if isinstance(service, dict) else service or SERVICE,
        **({} if build is None else {"image_build": build}),
        **more,
    }
    return parse_deployment(yaml.safe_dump(document), database="D", schema="S")


def test_everything_is_read() -> None:
    found = order(
        {
            "ingress_enabled": True,
            "min_instances": "1",
            "max_instances": 3,
            "num_workers": " 2 ",
            "max_batch_rows": 7,
            "cpu": "500m",
            "memory": "1Gi",
            "gpu": 1,
            "inference_engine_spec": {"inference_engine_name": "PYTHON_GENERIC"},
            "a_key_of_a_later_client": [1],
        },
        {
            "compute_pool": "Q",
            "image_repo": "REPO",
            "force_rebuild": True,
            "external_access_integrations": ["out"],
        },
        [{"name": "X.Y.M", "version": " v1 "}],
        job=None,
    )
    assert found == DeploymentOrder(
        model=QualifiedName("X", "Y", "M"),
        version="V1",
        service=QualifiedName("X", "Y", "SVC"),
        pool="P",
        build_pool="Q",
        image_repository=QualifiedName("X", "Y", "REPO"),
        force_rebuild=True,
        integrations=("OUT",),
        public=True,
        min_instances=1,
        max_instances=3,
        requested=Requested(cpus=0.5, memory_bytes=2**30, gpus=1),
        num_workers=2,
        max_batch_rows=7,
    )


def test_what_is_not_there_has_its_default() -> None:
    found = order()
    assert (found.pool, found.build_pool, found.min_instances, found.max_instances) == (
        "P",
        "P",
        1,
        1,
    )
    assert order({"min_instances": 0}).auto_suspend_s > 0
    assert order({}, {"external_access_integration": "one"}).integrations == ("ONE",)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"models": []}, "exactly one model under 'models'"),
        ({"models": "M"}, "exactly one model under 'models'"),
        ({"models": [3]}, r"The deployment: 'models\[0\]' must be a map, not a whole number\."),
        ({"models": [{"name": "M"}]}, r"The deployment: 'models\[0\]\.version' is missing\."),
        (
            {"models": [{"name": " ", "version": "V"}]},
            r"The deployment: 'models\[0\]\.name' must be a text that is not empty\.",
        ),
        ({"service": [1]}, "The deployment: 'service' must be a map, not a list."),
        ({"service": {"name": 5}}, "'service.name' must be a text, not a whole number"),
        ({"service": {"num_workers": 0}}, "'service.num_workers' must be a whole number of at l"),
        ({"service": {"num_workers": "x"}}, "'service.num_workers' must be a whole number of at"),
        ({"service": {"max_instances": True}}, "'service.max_instances' must be a whole number"),
        ({"service": {"min_instances": 2}}, r"min_instances \(2\) must not be above"),
        ({"service": {"ingress_enabled": "yes"}}, "'service.ingress_enabled' must be true or fal"),
        ({"service": {"cpu": []}}, "'service.cpu' must be a whole number or a number or a text"),
        ({"build": []}, "'image_build' must be a map, not a list"),
        (
            {"build": {"external_access_integrations": [1]}},
            r"'image_build\.external_access_integrations\[0\]' must be a text",
        ),
    ],
    ids=str,
)
def test_a_wrong_entry_is_named(given: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidArgument, match=message):
        order(**given)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"job": {"x": 1}}, r"\(job\)"),
        ({"model_loggings": [1]}, r"\(model_loggings\)"),
        ({"service": {"adapters": [1]}}, "service.adapters"),
        ({"service": {"feature_retrieval": {"x": 1}}}, "service.feature_retrieval"),
        ({"service": {"inference_engine_spec": {"inference_engine_name": "vllm"}}}, "'vllm'"),
    ],
    ids=str,
)
def test_what_is_not_offered_is_refused(given: dict[str, Any], message: str) -> None:
    with pytest.raises(Unsupported, match=message):
        order(**given)
