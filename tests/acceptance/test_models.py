"""Models as the official registry client manages them, in both of its generations."""

from __future__ import annotations

import pytest

from support.server import Client

pytestmark = pytest.mark.acceptance


@pytest.mark.timeout(600)
@pytest.mark.parametrize("generation", [2, 1])
def test_models_are_managed(client: Client, generation: int) -> None:
    database = f"MANAGED_{generation}"
    found = client("model_management", database, generation=generation)
    assert found["live"]
    assert found["system aliases"] == ["V1", "V1", "V2"]
    assert (found["alias"], found["default"]) == ("V2", "V2")
    assert found["metrics"] == {"accuracy": 1.0}
    assert found["texts"] == ["it's described", "about $M"]
    assert found["task"] == "TABULAR_REGRESSION"
    assert found["tags"] == ["a $ b", {f"{database}.ML.TEAM": "a $ b"}]
    assert found["tags afterwards"] == [None, {}]
    assert {"MANIFEST.yml", "model/model.yaml", "functions/predict.py"} <= set(found["exported"])
    assert found["loaded"] < 1e-6
    assert found["lineage"] == []
    assert found["models"] == ["COPY", "RENAMED"]
    assert "default version" in found["last version"]
    assert "DROP MODEL" in found["last version"]
    assert found["models afterwards"] == ["COPY"]
    assert "NONE" in found["no such model"]
    assert "already exist" in found["taken"]
