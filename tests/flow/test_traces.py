"""Spans of a real worker's batches in OpenTelemetry's in-memory exporter, with links to the events' own traces."""

from __future__ import annotations

import sys

import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind

from tests.flow.conftest import Bench, event
from worker.core import traces as names
from worker.core.errors import ConfigError
from worker.core.traces import NoTraces
from worker.score.profile import Models
from worker.settings import Settings, load
from worker.tracing import BatchSpans, tracing

TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
PARENT = f"00-{TRACE}-{SPAN}-01".encode()


@pytest.fixture
def spans() -> InMemorySpanExporter:
    return InMemorySpanExporter()


def traced(bench: Bench, spans: InMemorySpanExporter) -> Bench:
    """The bench with its spans in memory."""
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(spans))
    topic = bench.settings.topics.events
    bench.worker.flow.traces = BatchSpans(provider, system="kafka", topic=topic, group="tidegate")
    return bench


async def test_a_batch_has_a_span_that_links_to_its_events_own(settings: Settings, spans: InMemorySpanExporter) -> None:
    """Kafka's header and a header that is no traceparent; the names are OpenTelemetry's."""
    bench = traced(Bench(settings), spans)
    async with bench.running():
        bench.send([event("1", "free coins here")], headers=(("traceparent", PARENT),))
        bench.send([event("2", "hello")], headers=(("traceparent", b"nonsense"),))
        bench.send([event("3", "hello")])
        await bench.until(3)
    found = [span for span in spans.get_finished_spans() if span.name == "process moderation.events"]
    assert sum(int(str((span.attributes or {})[names.COUNT])) for span in found) == 3
    assert {span.kind for span in found} == {SpanKind.CONSUMER}
    links = [link.context for span in found for link in span.links]
    assert [(f"{context.trace_id:032x}", f"{context.span_id:016x}") for context in links] == [(TRACE, SPAN)]
    attributes = dict(found[0].attributes or {})
    assert attributes[names.SYSTEM] == "kafka"
    assert attributes[names.DESTINATION] == "moderation.events"
    assert attributes[names.GROUP] == "tidegate"
    assert sum(int(str((span.attributes or {}).get(f"{names.ACTIONS}flag", 0))) for span in found) == 1
    assert all(span.start_time <= span.end_time for span in found if span.start_time and span.end_time)
    said = " ".join(str(dict(span.attributes or {})) for span in found)
    assert "coins" not in said
    assert "acme" not in said


@pytest.mark.models
async def test_a_models_batch_has_a_span(with_models: Settings, spans: InMemorySpanExporter, embedded: Models) -> None:
    """Its lane and how many views it took."""
    bench = traced(Bench(with_models, models=embedded), spans)
    async with bench.running():
        bench.send([event("1", "good morning")])
        await bench.until(1)
    found = [span for span in spans.get_finished_spans() if span.name == "score minilm"]
    attributes = dict(found[-1].attributes or {})  # the policies' own tests were judged before
    assert attributes[names.LANE] == "minilm"
    assert int(str(attributes[names.ITEMS])) >= 1
    assert attributes[names.FAILED] == 0


def test_traces_are_off_until_an_endpoint_is_named(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """And one that is named without the extra says what to install."""
    with tracing(settings) as none:
        assert isinstance(none, NoTraces)
    named = load(None, {"policies": settings.policies, "traces.endpoint": "http://127.0.0.1:9/v1/traces"})
    with tracing(named) as some:
        assert isinstance(some, BatchSpans)
    monkeypatch.setitem(sys.modules, "opentelemetry.exporter.otlp.proto.http.trace_exporter", None)
    with pytest.raises(ConfigError, match=r"pip install .tidegate\[traces\]"), tracing(named):
        pass
