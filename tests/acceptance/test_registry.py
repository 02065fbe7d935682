"""The main job with the official registry client, in both of its generations."""

from __future__ import annotations

import pytest

from support.server import Client

pytestmark = pytest.mark.acceptance


@pytest.mark.timeout(1200)
@pytest.mark.parametrize("generation", [2, 1])
def test_a_model_is_logged_deployed_and_called_with_the_same_answers(
    client: Client, generation: int
) -> None:
    found = client("registry_flow", f"FLOW_{generation}", generation=generation)
    assert found["metrics"] == {"rmse": 0.5}
    assert found["comment"] == "first"
    assert "PREDICT" in [name.strip('"').upper() for name in found["functions"]]
    assert found["models"] == ["FLOW"]
    assert found["versions"] == ["V1"]
    assert found["default"] == "V1"
    compared = [name for name, value in found.items() if isinstance(value, float)]
    assert len(compared) == 11
    assert max(found[name] for name in compared) < 1e-5
    assert found["service"]["status"] == "RUNNING"
    assert found["service"]["inference_endpoint"].endswith(".snowflakecomputing.app")
    assert found["without a token"] == found["with a wrong token"] == 401
    assert found["bad body"] == 400
    assert "FLOW_SERVICE" in found["drop in use"]
    assert found["logs"] == "str"
    assert found["models after"] == 0
