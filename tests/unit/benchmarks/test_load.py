import json

from benchmarks.load import Load


def test_a_report_tells_no_token() -> None:
    headers = {"X-Request-Id": "7", "Authorization": 'Snowflake Token="secret"'}
    load = Load("127.0.0.1:1", "/predict", ["a", "b"], clients=2, seconds=1.0, headers=headers)
    told = load.told()
    assert (told["bodies"], told["headers"]) == (2, ["Authorization", "X-Request-Id"])
    assert "secret" not in json.dumps(told)
