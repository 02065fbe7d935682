"""The metrics are valid Prometheus text and true totals."""

from nunatak.inference.scheduling.metrics import Counter, Histogram, InstanceMetrics


def test_buckets_count_all_values_up_to_their_bound() -> None:
    histogram = Histogram("h", "text", (1, 2))
    for value in (0.5, 1, 1.5, 9):
        histogram.observe(value)
    assert list(histogram.lines()) == [
        'h_bucket{le="1"} 2',
        'h_bucket{le="2"} 3',
        'h_bucket{le="+Inf"} 4',
        "h_sum 12.0",
        "h_count 4",
    ]


def test_a_label_has_a_bounded_number_of_values() -> None:
    counter = Counter("c", "text", "label")
    for number in range(5000):
        counter.inc(str(number))
    assert len(counter.values) <= 1001
    assert counter.total == 5000


def test_every_line_is_a_comment_or_a_sample() -> None:
    metrics = InstanceMetrics()
    metrics.requests.inc("answered")
    for line in metrics.text().decode().splitlines():
        if not line.startswith(("# HELP ", "# TYPE ")):
            name, _, value = line.rpartition(" ")
            assert name.startswith("nunatak_inference_")
            float(value)


def test_totals_are_told_to_the_last_digit() -> None:
    counter = Counter("c", "text")
    counter.inc(by=1_753_854)
    assert list(counter.lines()) == ["c 1753854"]
