"""Spans of batches to an OpenTelemetry collector: the extra `tidegate[traces]`, opt-in by `traces.endpoint`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Protocol

from worker import __version__
from worker.core import traces as names
from worker.core.errors import ConfigError
from worker.core.traces import NoTraces, Parents, Traces

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.trace import Link

_NS = 1_000_000_000
_MOST_LINKS = 128  # OpenTelemetry's own limit, where it would drop the first ones


class BatchSpans:
    """
    `Traces` over a provider of spans; the caller shuts the provider down.

    Args:
        system: the queue's name in OpenTelemetry's list, e.g. `kafka`.
        topic: the input topic.
        group: the consumer group.
    """

    def __init__(self, provider: TracerProvider, *, system: str, topic: str, group: str) -> None:
        from opentelemetry.trace import SpanKind

        self._tracer = provider.get_tracer("tidegate", __version__)
        self._kinds = SpanKind
        self._common: dict[str, Any] = {names.SYSTEM: system, names.DESTINATION: topic, names.GROUP: group}

    def delivered(self, began: float, ended: float, count: int, actions: Mapping[str, int], parents: Parents) -> None:
        """As `Traces` says."""
        said: dict[str, Any] = {f"{names.ACTIONS}{action}": number for action, number in actions.items()}
        what: dict[str, Any] = {names.OPERATION: "process", names.OPERATION_TYPE: "process", names.COUNT: count}
        span = self._tracer.start_span(
            f"process {self._common[names.DESTINATION]}",
            kind=self._kinds.CONSUMER,
            attributes={**self._common, **what, **said},
            links=_links(parents()),
            start_time=int(began * _NS),
        )
        span.end(int(ended * _NS))

    def scored(self, lane: str, began: float, ended: float, items: int, failed: int, wait_s: float) -> None:
        """As `Traces` says."""
        said: dict[str, Any] = {names.LANE: lane, names.ITEMS: items, names.FAILED: failed, names.WAIT_S: wait_s}
        span = self._tracer.start_span(f"score {lane}", attributes=said, start_time=int(began * _NS))
        span.end(int(ended * _NS))


def _links(parents: list[str]) -> list[Link]:
    """Links to the last of the events' own spans; a header that is no traceparent has none."""
    from opentelemetry.trace import Link, get_current_span
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

    propagator = TraceContextTextMapPropagator()
    found = []
    for parent in parents[-_MOST_LINKS:]:
        context = get_current_span(propagator.extract({"traceparent": parent})).get_span_context()
        if context.is_valid:
            found.append(Link(context))
    return found


class TraceSettings(Protocol):
    """What of the settings traces need."""

    @property
    def transport(self) -> str: ...

    @property
    def traces(self) -> Any: ...

    @property
    def topics(self) -> Any: ...

    @property
    def kafka(self) -> Any: ...


@contextmanager
def tracing(settings: TraceSettings) -> Iterator[Traces]:
    """
    Traces as the settings say, while the block runs; what is not sent by its end is sent then.

    Raises:
        ConfigError: the extra is not installed.
    """
    if settings.traces.endpoint is None:
        yield NoTraces()
        return
    provider = _provider(settings.traces.endpoint, settings.traces.share)
    try:
        yield BatchSpans(
            provider, system=settings.transport, topic=settings.topics.events, group=settings.kafka.group_id
        )
    finally:
        provider.shutdown()


def _provider(endpoint: str, share: float) -> TracerProvider:
    """
    A provider that sends a share of all spans to a collector, in the background.

    Raises:
        ConfigError: the extra is not installed.
    """
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
        from opentelemetry.sdk.trace.sampling import TraceIdRatioBased
    except ImportError as error:
        raise ConfigError(
            f"traces.endpoint is set and {error.name} is missing: pip install 'tidegate[traces]'"
        ) from None
    resource = Resource.create({"service.name": "tidegate", "service.version": __version__})
    provider = TracerProvider(resource=resource, sampler=TraceIdRatioBased(share))
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint=endpoint)))
    return provider
