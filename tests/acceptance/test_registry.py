"""The main job with the official registry client, in both of its generations."""

from __future__ import annotations

from pathlib import Path

import pytest

from nunatak.images.image import ImageBuilder
from support.server import CLIENT_1_6, Client

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


WHERE = ("warehouse", "service")
LEFT_OUT = (
    "['2024-01-31 16:30:00', b'd', [1.5], {'nested_dict': [{'a': 1}], "
    "'nested_list': [[1, 2], [3, 4]], 't': 1.0}, \"it's\"]"
)
GIVEN = (
    "['2020-02-29 01:02:03.500000', b'\\x00\\xff', [9.0, 8.0], {'nested_dict': [], "
    "'nested_list': [[9]], 't': 2.0}, 'x']"
)


@pytest.mark.timeout(1200)
def test_parameters_of_every_type_and_very_many_inputs_are_taken_in_every_way(
    client: Client,
) -> None:
    found = client("registry_signatures", "SIGNATURES")
    ways = [f"{where} {how}" for where in WHERE for how in ("SQL", "run")] + ["HTTP"]
    for way in ways:
        assert set(found[way]) == {LEFT_OUT}, way
        assert set(found[f"{way}, given"]) == {GIVEN}, way
    assert found["HTTP flat, given"] == [GIVEN]
    for way in ("warehouse SQL", "service SQL", "HTTP"):
        assert found[f"{way}, the last"] == [LEFT_OUT.replace('"it\'s"', "'x'")]
    assert "Feature autocapture is not supported." in found["autocapture"]
    assert found["named SQL"] == [[12.0]] * 3
    assert found["named"] == [12.0]
    assert found["named, one is missing"] == [400, "row 0 lacks the column 'a'"]
    sums = [row * 500 * 501 / 2 for row in range(3)]
    for where in WHERE:
        assert found[f"broad {where} run"] == found[f"broad {where} SQL"] == sums
        assert found[f"broad {where}, some keys"] == [8.0]
        assert "'cc', which the method does not take" in found[f"broad {where}, another key"][0]
    assert found["broad HTTP"] == sums


@pytest.mark.timeout(1200)
def test_the_published_example_runs_as_published(client: Client, tmp_path: Path) -> None:
    hosts = map(str, ImageBuilder(tmp_path).index_policy().allowed)
    found = client("published_example", "PUBLISHED", *hosts, generation=CLIENT_1_6)
    assert len(found) == 4
    assert max(found.values()) < 1e-5
