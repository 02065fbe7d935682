"""The metrics are true totals and are told as they are."""

import orjson

from nunatak.inference.scheduling.metrics import Counter, Gauge, Histogram, InstanceMetrics


def test_buckets_count_all_values_up_to_their_bound() -> None:
    histogram = Histogram("h", "text", (1, 2))
    for value in (0.5, 1, 1.5, 9):
        histogram.observe(value)
    assert list(histogram.samples()) == [
        ("h_bucket", {"le": "1"}, 2),
        ("h_bucket", {"le": "2"}, 3),
        ("h_bucket", {"le": "+Inf"}, 4),
        ("h_sum", {}, 12.0),
        ("h_count", {}, 4),
    ]


def test_a_label_has_a_bounded_number_of_values() -> None:
    counter = Counter("c", "text", "label")
    for number in range(5000):
        counter.inc(str(number))
    assert len(counter.values) <= 1001
    assert counter.total == 5000


def test_every_metric_is_told_with_its_samples() -> None:
    metrics = InstanceMetrics()
    metrics.requests.inc("answered")

    told = orjson.loads(metrics.told())

    kinds = {"counter": Counter, "gauge": Gauge, "histogram": Histogram}
    for family, metric in zip(told, vars(metrics).values(), strict=True):
        assert isinstance(metric, kinds[family["kind"]])
        assert family["name"].startswith("nunatak_inference_")
        assert family["text"]
        assert all(name.startswith(family["name"]) for name, *_ in family["samples"])


def test_totals_are_told_to_the_last_digit() -> None:
    counter = Counter("c", "text")
    counter.inc(by=1_753_854)
    assert list(counter.samples()) == [("c", {}, 1753854)]
