"""What a witness counts, as Prometheus reads it."""

from collections import Counter
from collections.abc import Iterator

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from translog.server.cosigning import Cosigning
from translog.server.metrics import Histogram


class WitnessMetrics(Collector):
    """The counters of one witness.

    Attributes:
        answers: by route and status.
        cosigning: from taking a request in to its answer.
    """

    def __init__(self, cosigning: Cosigning) -> None:
        self.answers: Counter[tuple[str, int]] = Counter()
        self.cosigning = Histogram()
        self._line = cosigning
        self._registry = CollectorRegistry()
        self._registry.register(self)

    def text(self) -> bytes:
        return generate_latest(self._registry)

    def describe(self) -> list[Metric]:
        return []

    def collect(self) -> Iterator[Metric]:
        answers = CounterMetricFamily(
            "translog_witness_answers", "Requests answered", labels=["route", "status"]
        )
        for (route, status), count in self.answers.items():
            answers.add_metric([route, str(status)], count)
        yield answers
        yield self.cosigning.family(
            "translog_witness_cosign_seconds", "From taking a request in to its answer"
        )
        for name, explanation, value in (
            ("waiting", "Requests that are not taken up yet", self._line.waiting),
            ("ready", "1 while heads are cosigned", self._line.stopped is None),
        ):
            yield GaugeMetricFamily(f"translog_witness_{name}", explanation, value=float(value))
