"""The text format of Prometheus: what is written can be read again, whatever the labels hold."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from nunatak.inference.scheduling.metrics import InstanceMetrics
from nunatak.services.watching.exposition import Family, Key, parse_exposition, write_exposition

LABELS = st.dictionaries(st.sampled_from(["a", "b", "le"]), st.text(max_size=20)).map(
    lambda found: tuple(found.items())
)
VALUES = st.floats(allow_nan=False, allow_infinity=False)


@given(st.dictionaries(st.tuples(st.sampled_from(["m", "h_sum", "h_bucket"]), LABELS), VALUES))
def test_what_is_written_is_read_again(samples: dict[Key, float]) -> None:
    families = [Family("m", "counter", "Some."), Family("h", "histogram", "Others.")]

    page = parse_exposition(write_exposition(families, samples.items()))

    assert page.samples == samples
    assert all(page.family_of(name) in families for name, _ in samples)


def test_the_page_of_an_instance_is_understood_whole() -> None:
    metrics = InstanceMetrics()
    metrics.requests.inc("answered", by=3)
    metrics.model_s.observe(0.002)

    text = metrics.text().decode()
    page = parse_exposition(text)

    assert len(page.samples) == sum(not line.startswith("#") for line in text.splitlines())
    outcome = (("outcome", "answered"),)
    assert page.samples["nunatak_inference_requests_total", outcome] == 3
    counters = page.counters()
    assert counters["nunatak_inference_model_seconds_count", ()] == 1
    assert ("nunatak_inference_workers", ()) not in counters


def test_lines_that_are_no_samples_are_left_out() -> None:
    assert parse_exposition("# TYPE a gauge\nnonsense\na one\na{x 1\na 2\n").samples == {
        ("a", ()): 2.0
    }
