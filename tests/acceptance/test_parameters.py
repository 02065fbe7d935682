"""Parameters and bound values with the official connectors, results in JSON."""

from __future__ import annotations

import pytest

from support.server import CONNECTOR_5, Client

pytestmark = pytest.mark.acceptance


@pytest.mark.parametrize("generation", [CONNECTOR_5, 1, 2])
def test_parameters_and_bound_values(client: Client, generation: int) -> None:
    found = client("connector_parameters", generation=generation)
    assert found["moments"] == [["2024-01-05 10:00:00+01:00", "07:08:09.500000", "2024-01-05"]]
    assert found["order"] == [["4"], ["5"]]
    assert found["with"] == [["108"], ["109"]]
    assert found["made"] == [["108"]]
    assert found["counts"] == [1008, 1008, 1008]
    typed = ["2024-01-05", "07:08:09", "2024-01-05 10:00:00", "0061", "1.5"]
    assert found["typed"] == [
        ["1", *typed],
        ["2", *["None"] * 5],
        ["3", *typed],
        ["4", *["None"] * 5],
    ]
    assert found["refused"] == [1008, 1008, 1008, 1008]
    assert found["timezone"] == [["2024-01-05 10:00:00+01:00"]]
    assert found["json"] == [['{\n  "a": [\n    1\n  ]\n}']]
    assert found["several"] == [[[1]], [[2]]]
    assert found["described"] == [["ONE", "NUMBER(38,0)"], ["TWO", "VARCHAR(16777216)"]]
