"""The instance's own metrics against what its callers saw."""

import json
from collections.abc import Mapping

from benchmarks.servers import Running, connect
from benchmarks.soak.ledger import Ledger

_PREFIX = "nunatak_inference_"
_IDLE = ("requests_in_flight", "queue_depth", "queue_rows", "held_bytes", "batches_running")
_LEAVER = "leaver"

Metrics = Mapping[str, float]


def metrics_of(instance: Running) -> Metrics:
    """Every sample that an instance tells, without the common prefix; one with a label is named
    `name{label="value"}`."""
    connection = connect(instance.address)
    try:
        connection.request("GET", "/metrics")
        told = json.loads(connection.getresponse().read())
    finally:
        connection.close()
    samples = [sample for family in told for sample in family["samples"]]
    return {
        name.removeprefix(_PREFIX) + _labelled(labels): value for name, labels, value in samples
    }


def _labelled(labels: Mapping[str, str]) -> str:
    return "".join(f'{{{name}="{value}"}}' for name, value in labels.items())


def busy(metrics: Metrics) -> list[str]:
    """What an instance still holds; nothing when nobody calls."""
    return [f"{name} is {metrics[name]:g}" for name in _IDLE if metrics[name]]


def _outcomes(metrics: Metrics) -> dict[str, int]:
    label = 'requests_total{outcome="'
    return {
        name.removeprefix(label).removesuffix('"}'): int(value)
        for name, value in metrics.items()
        if name.startswith(label)
    }


def differences(before: Metrics, after: Metrics, ledger: Ledger) -> list[str]:
    """Where the instance's totals and the callers' do not agree.

    Who leaves does not know what became of the request: for each of them the instance may count
    one more, of any outcome. The ingress refuses too, so the instance may count fewer refusals.
    """
    first, last = _outcomes(before), _outcomes(after)
    counted = {name: total - first.get(name, 0) for name, total in last.items()}
    unknown = ledger.outcomes[_LEAVER, "sent"]
    seen = {
        "answered": ledger.total("answered"),
        "bad_input": ledger.total("bad_input"),
        "expired": ledger.total("expired"),
    }
    refused = sum(
        counted.pop(name, 0) for name in ("refused", "at_capacity", "caller_share", "stopping")
    )
    abandoned = counted.pop("abandoned", 0)
    found = [
        f"{name}: callers saw {number}, the instance counted {counted.get(name, 0)}"
        for name, number in seen.items()
        if not number <= counted.get(name, 0) <= number + unknown
    ]
    if refused > ledger.total("refused") + unknown:
        found.append(f"refused: callers saw {ledger.total('refused')}, the instance {refused}")
    found += [f"{name}: {n}" for name, n in counted.items() if n and name not in seen]
    surplus = sum(counted.values()) + abandoned - sum(seen.values())
    if not 0 <= surplus <= unknown:
        found.append(f"{surplus} requests more than callers sent, {unknown} of them left")
    answered = after["request_seconds_count"] - before["request_seconds_count"]
    if answered != counted.get("answered", 0):
        found.append(f"answered: {counted.get('answered', 0)}, with a time: {answered:g}")
    rows = after["rows_total"] - before["rows_total"]
    if rows < ledger.rows:
        found.append(f"rows: callers got {ledger.rows}, the instance counted {rows:.0f}")
    return found
