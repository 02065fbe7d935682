"""A service's specification: what is there is read, and an error names the entry."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from nunatak.errors import InvalidArgument, Unsupported
from nunatak.services.documents.specification import ContainerSpec, parse_specification
from nunatak.services.model.spec import Requested

IMAGE = f"/db/s/repo/model-inference@sha256:{'ab' * 32}"
GPU = "nvidia.com/gpu"


def parsed(
    container: dict[str, Any] | None = None, spec: dict[str, Any] | None = None, **more: Any
) -> ContainerSpec:
    one = {"name": "main", "image": IMAGE, **(container or {})}
    document = {"spec": {"containers": [one], **(spec or {})}, **more}
    return parse_specification(yaml.safe_dump(document))


def test_everything_is_read() -> None:
    found = parsed(
        {
            "env": {"A": 1, "B": True, "SPCS_MODEL_INFERENCE_SERVER__NUM_WORKERS": "3"},
            "resources": {
                "limits": {"cpu": 2, "memory": "2Gi", GPU: 1},
                "requests": {"cpu": "500m", GPU: 1},
            },
            "readinessProbe": {"port": 5000, "path": "/healthz"},
            "secrets": [
                {"snowflakeSecret": "T", "secretKeyRef": "secret_string", "envVarName": "X"}
            ],
            "volumeMounts": [],
        },
        {
            "endpoints": [{"name": "predict", "port": 5000, "public": True, "protocol": "HTTP"}],
            "logExporters": {"eventTableConfig": {"logLevel": "INFO"}},
            "platformMonitor": {"metricConfig": {"groups": ["system"]}},
        },
        serviceRoles=[],
        Autocapture=False,
    )
    assert found.image == "ab" * 32
    assert found.repository == "/db/s/repo"
    assert found.requested == Requested(cpus=0.5, memory_bytes=2 * 2**30, gpus=1)
    assert (found.endpoint, found.public) == ("predict", True)
    assert (found.env, found.num_workers) == ({"A": "1", "B": "True"}, 3)
    assert [item.use.variable for item in found.secrets] == ["X"]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"container": {"image": 3}}, r"'spec\.containers\[0\]\.image' must be a text, not a wh"),
        ({"container": {"name": None}}, r"'spec\.containers\[0\]\.name' must be a text, not null"),
        ({"container": {"name": "No Name"}}, "lower-case letters, digits and dashes"),
        ({"container": {"imagePullPolicy": "x"}}, r"\[0\]\.imagePullPolicy' is not known here"),
        ({"container": {"env": []}}, r"'spec\.containers\[0\]\.env' must be a map, not a list"),
        ({"container": {"env": {"A": []}}}, r"\.env\[\.\.\.\]' must be .*, not a list"),
        ({"container": {"secrets": {}}}, r"\.secrets' must be a list, not a map"),
        ({"container": {"secrets": [3]}}, r"\.secrets\[0\]' must be a map, not a whole number"),
        ({"container": {"resources": {"limits": {"disk": 1}}}}, r"\.limits\.disk' is not known"),
        ({"container": {"resources": {"limits": {"cpu": "x"}}}}, "number of CPUs"),
        ({"container": {"resources": {"requests": {GPU: 1}}}}, "must be equal"),
        ({"container": {"readinessProbe": 3}}, r"\.readinessProbe' must be a map"),
        ({"spec": {"containers": []}}, r"'spec\.containers' must be a list that is not empty"),
        ({"spec": {"containers": {}}}, r"'spec\.containers' must be a list, not a map"),
        ({"spec": {"endpoints": [{"port": "http"}]}}, r"'spec\.endpoints\[0\]\.port' must be a w"),
        ({"spec": {"endpoints": [{"port": 80}]}}, "port 5000"),
        ({"spec": {"endpoints": [{"protocol": "TCP"}]}}, r"\.protocol': Invalid enum value 'TCP'"),
        ({"spec": {"platformMonitors": {}}}, r"'spec\.platformMonitors' is not known here"),
        ({"kind": "Service"}, "'kind' is not known here"),
    ],
    ids=str,
)
def test_a_wrong_entry_is_named(given: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidArgument, match=message):
        parsed(**given)


@pytest.mark.parametrize("text", ["[]", "null", "text", "spec: []", "{}"])
def test_what_is_no_specification_is_refused(text: str) -> None:
    with pytest.raises(InvalidArgument, match=r"^The specification"):
        parse_specification(text)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"serviceRoles": [{"name": "r"}]}, "serviceRoles is not supported"),
        ({"capabilities": {"x": 1}}, "capabilities is not supported"),
        ({"spec": {"volumes": [1]}}, "spec.volumes is not supported"),
        ({"container": {"command": ["sh"]}}, "'command' of a container is not supported"),
        ({"container": {"image": "/db/s/repo/nginx:latest"}}, "no container engine"),
        ({"spec": {"endpoints": [{"name": "a"}, {"name": "b"}]}}, "at most one endpoint"),
        ({"container": {"livenessProbe": {"initialDelaySeconds": 1}}}, "livenessProbe.initial"),
    ],
    ids=str,
)
def test_what_is_not_offered_is_refused(given: dict[str, Any], message: str) -> None:
    with pytest.raises(Unsupported, match=message):
        parsed(**given)
