"""What is counted, as Prometheus reads it.

Plain numbers that only the event loop writes, put into Prometheus's form when it asks: counting
costs an addition, not a lock.
"""

from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterator, Mapping

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

MEDIA_TYPE = "text/plain; version=0.0.4; charset=utf-8"
SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


class Histogram:
    """Durations in seconds."""

    def __init__(self) -> None:
        self._counts = [0] * (len(SECONDS) + 1)
        self._sum = 0.0

    def add(self, seconds: float) -> None:
        self._counts[bisect_left(SECONDS, seconds)] += 1
        self._sum += seconds

    def family(self, name: str, explanation: str) -> Metric:
        buckets: list[tuple[str, float]] = []
        total = 0
        for limit, count in zip([*map(str, SECONDS), "+Inf"], self._counts, strict=True):
            total += count
            buckets.append((limit, total))
        return HistogramMetricFamily(name, explanation, buckets=buckets, sum_value=self._sum)


class Metrics(Collector):
    """The counters of one server.

    Attributes:
        events: by result: "added", "duplicate", or the code of the refusal.
        requests: by route and status.
        adding: from taking events in to their being durable.
        publishing: one turn of the publisher.
        failures: turns of the publisher that failed.
    """

    def __init__(self) -> None:
        self.events: Counter[str] = Counter()
        self.requests: Counter[tuple[str, int]] = Counter()
        self.adding = Histogram()
        self.publishing = Histogram()
        self.failures = 0
        self._gauges: list[tuple[str, str, Callable[[], float]]] = []
        self._labelled: list[tuple[str, str, str, Callable[[], Mapping[str, float]]]] = []
        self._others: list[Callable[[], Iterator[Metric]]] = []
        self._registry = CollectorRegistry()
        self._registry.register(self)

    def text(self) -> bytes:
        """Return everything in Prometheus's text format."""
        return generate_latest(self._registry)

    def watch(self, name: str, explanation: str, read: Callable[[], float]) -> None:
        """Report also what `read` returns at the time."""
        self._gauges.append((name, explanation, read))

    def watch_each(
        self,
        name: str,
        explanation: str,
        label: str,
        read: Callable[[], Mapping[str, float]],
    ) -> None:
        """Report also each value that `read` returns at the time, under its label."""
        self._labelled.append((name, explanation, label, read))

    def watch_all(self, read: Callable[[], Iterator[Metric]]) -> None:
        """Report also the families that `read` yields at the time."""
        self._others.append(read)

    def describe(self) -> list[Metric]:
        return []  # so that registering asks no gauge

    def collect(self) -> Iterator[Metric]:
        events = CounterMetricFamily("translog_events", "Events sent, by result", labels=["result"])
        for result, count in self.events.items():
            events.add_metric([result], count)
        yield events
        requests = CounterMetricFamily(
            "translog_http_requests", "Requests answered", labels=["route", "status"]
        )
        for (route, status), count in self.requests.items():
            requests.add_metric([route, str(status)], count)
        yield requests
        yield self.adding.family(
            "translog_add_seconds", "From taking events of one request in to their being durable"
        )
        yield self.publishing.family("translog_publish_seconds", "One turn of the publisher")
        yield CounterMetricFamily(
            "translog_publish_failures", "Turns of the publisher that failed", value=self.failures
        )
        for name, explanation, read in self._gauges:
            yield GaugeMetricFamily(name, explanation, value=read())
        for name, explanation, label, read_each in self._labelled:
            family = GaugeMetricFamily(name, explanation, labels=[label])
            for of, value in read_each().items():
                family.add_metric([of], value)
            yield family
        for families in self._others:
            yield from families()
