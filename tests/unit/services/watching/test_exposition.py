"""Counters as instances tell them and as Prometheus reads them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from nunatak.inference.scheduling.metrics import InstanceMetrics
from nunatak.services.watching.exposition import Family, Key, read_counters, write_exposition

SCRAPED = Family("m_total", "counter", "Some\nmore."), Family("h", "histogram", "Others.")
FAMILIES = {"m_total": SCRAPED[0], "h_sum": SCRAPED[1], "h_bucket": SCRAPED[1]}
LABELS = st.dictionaries(st.sampled_from(["a", "b", "le"]), st.text(max_size=20)).map(
    lambda found: tuple(sorted(found.items()))
)
VALUES = st.floats(allow_nan=False)


@given(st.dictionaries(st.tuples(st.sampled_from(sorted(FAMILIES)), LABELS), VALUES))
def test_what_is_written_is_read_again_by_prometheus(samples: dict[Key, float]) -> None:
    text = write_exposition(FAMILIES, samples.items())

    read = {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }
    assert read == {
        (name, tuple((label, value) for label, value in labels)): number
        for (name, labels), number in samples.items()
    }
    assert text.count("# TYPE") == len({FAMILIES[name].name for name, _ in samples})


def test_a_sample_of_no_family_is_left_out() -> None:
    assert write_exposition(FAMILIES, [(("other", ()), 1.0)]) == ""


def test_what_an_instance_tells_is_understood_whole() -> None:
    metrics = InstanceMetrics()
    metrics.requests.inc("answered", by=3)
    metrics.model_s.observe(0.002)

    read = read_counters(metrics.told().decode())

    told = [sample for metric in vars(metrics).values() for sample in metric.samples()]
    assert read.samples == {(name, tuple(labels.items())): value for name, labels, value in told}
    outcome = (("outcome", "answered"),)
    assert read.samples["nunatak_inference_requests_total", outcome] == 3
    counters = read.counters()
    assert counters["nunatak_inference_model_seconds_count", ()] == 1
    assert ("nunatak_inference_workers", ()) not in counters


@pytest.mark.parametrize("told", ["", "{}", "nonsense", '[{"name": 1}]', "# TYPE a gauge\na 1\n"])
def test_what_is_no_list_of_counters_is_an_error(told: str) -> None:
    with pytest.raises(ValueError, match=r".*"):
        read_counters(told)
