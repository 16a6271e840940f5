"""Traces and metrics over OTLP/HTTP, after OpenTelemetry's conventions for generative AI. Source:
`-o, --otel`.

A trace is written when its request is over, from what the record remembers: a request pays nothing
while it runs. Texts, arguments and results are never in it. Where it goes, OpenTelemetry's own
variables tell (`OTEL_EXPORTER_OTLP_ENDPOINT`, `OTEL_SERVICE_NAME`, …).
"""

from __future__ import annotations

import asyncio
import logging
import os
import time
from collections.abc import AsyncGenerator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, suppress
from threading import Thread
from typing import TYPE_CHECKING

import anyio

from docker_agent import __version__
from docker_agent.errors import ConfigError
from docker_agent.server.record import Ended, ModelCall, Record, ToolUse, Watcher
from docker_agent.server.running import Running

if TYPE_CHECKING:
    from opentelemetry.context import Context
    from opentelemetry.metrics import CallbackOptions, MeterProvider, Observation
    from opentelemetry.trace import Span, Tracer

log = logging.getLogger(__name__)

SCOPE = "docker_agent"
LAST_WORDS = 3.0
"""Seconds that sending the last spans and numbers may take when the server ends."""

QUIET = frozenset({"/health", "/ready", "/metrics"})
"""What is asked every few seconds, and has no trace."""

SECRET_VARIABLES = frozenset(
    f"OTEL_EXPORTER_OTLP_{kind}HEADERS" for kind in ("", "TRACES_", "METRICS_")
)
"""They may hold a collector's key, so tools do not see them."""

_PROTOCOLS = ("", "http/protobuf")
Attributes = dict[str, str | int | float | bool]


@asynccontextmanager
async def open_telemetry(running: Running) -> AsyncGenerator[Watcher]:
    """Exports what its watcher is told, until it is left. Raises `ConfigError`."""
    wanted = os.environ.get("OTEL_EXPORTER_OTLP_PROTOCOL", "")
    if wanted not in _PROTOCOLS:
        raise ConfigError(
            f"--otel: OTEL_EXPORTER_OTLP_PROTOCOL={wanted}: only http/protobuf is here"
        )
    try:
        from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.metrics import MeterProvider
        from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
    except ImportError as exc:
        raise ConfigError("--otel needs an extra: pip install 'docker-agent[otel]'") from exc
    named = {"service.version": __version__}
    if "OTEL_SERVICE_NAME" not in os.environ:
        named["service.name"] = "docker-agent"
    resource = Resource.create(named)
    spans = BatchSpanProcessor(OTLPSpanExporter())
    traces = TracerProvider(resource=resource, shutdown_on_exit=False)
    traces.add_span_processor(spans)
    reader = PeriodicExportingMetricReader(OTLPMetricExporter())
    meters = MeterProvider([reader], resource=resource, shutdown_on_exit=False)

    def stop() -> None:
        meters.shutdown(LAST_WORDS * 1000)

    try:
        yield Telemetry(traces.get_tracer(SCOPE, __version__), meters, running)
    finally:
        with anyio.CancelScope(shield=True):
            await asyncio.gather(_within(LAST_WORDS, spans.shutdown), _within(LAST_WORDS, stop))


async def _within(limit: float, work: Callable[[], object]) -> None:
    """Wait for blocking work in a thread of its own, which the end of the process does not wait
    for."""
    loop, done = asyncio.get_running_loop(), asyncio.Event()

    def run() -> None:
        try:
            work()
        except Exception as exc:  # noqa: BLE001 the outermost edge of a thread
            log.warning("the last traces and metrics were not sent: %s", exc)
        finally:
            with suppress(RuntimeError):
                loop.call_soon_threadsafe(done.set)

    Thread(target=run, daemon=True).start()
    with anyio.move_on_after(limit):
        await done.wait()


class Telemetry:
    """A `Watcher` that makes a trace and some numbers of each request."""

    def __init__(self, tracer: Tracer, meters: MeterProvider, running: Running) -> None:
        from opentelemetry.metrics import Observation
        from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

        self._tracer = tracer
        self._propagator = TraceContextTextMapPropagator()
        meter = meters.get_meter(SCOPE, __version__)
        self._requests = meter.create_histogram(
            "http.server.request.duration", "s", "How long requests took."
        )
        self._operations = meter.create_histogram(
            "gen_ai.client.operation.duration", "s", "How long model calls took."
        )
        self._tokens = meter.create_histogram(
            "gen_ai.client.token.usage", "{token}", "Tokens of model calls."
        )
        self._first = meter.create_histogram(
            "gen_ai.server.time_to_first_token", "s", "To the first text or thought."
        )
        self._tools = meter.create_counter("docker_agent.tool.calls", "{call}", "Tools that ran.")

        def active(options: CallbackOptions) -> Iterator[Observation]:
            yield Observation(running.count)

        meter.create_observable_gauge("docker_agent.runs.active", [active], "{run}", "Runs now.")

    def __call__(self, ended: Ended) -> None:
        if ended.endpoint in QUIET:
            return
        common: Attributes = {
            "http.request.method": ended.method,
            "http.route": ended.endpoint,
            "http.response.status_code": ended.status,
        }
        if ended.error is not None:
            common["error.type"] = ended.error[1] or ended.error[0]
        self._requests.record(ended.seconds, common)
        if ended.run is not None:
            self._count(ended, ended.run)
        self._trace(ended, common)

    def _count(self, ended: Ended, run: Record) -> None:
        if run.first_token is not None:
            who: Attributes = {"gen_ai.agent.name": run.agent}
            self._first.record(run.first_token - ended.started, who)
        for call in run.model_calls:
            labels = _of_call(call)
            self._operations.record(call.ended - call.began, labels)
            for kind, tokens in (("input", call.usage.prompt), ("output", call.usage.completion)):
                self._tokens.record(tokens, {**labels, "gen_ai.token.type": kind})
        for use in run.tools:
            self._tools.add(1, {**_of_tool(use), "docker_agent.failed": use.failed})

    def _trace(self, ended: Ended, attributes: Attributes) -> None:
        from opentelemetry.trace import SpanKind

        clock = _Clock()
        context = self._propagator.extract(_carrier(ended.headers))
        more: Attributes = {"docker_agent.request_id": ended.request_id}
        if ended.caller:
            more["docker_agent.caller"] = ended.caller
        root = self._tracer.start_span(
            f"{ended.method} {ended.endpoint}",
            context,
            SpanKind.SERVER,
            {**attributes, **more},
            start_time=clock(ended.started),
        )
        if ended.error is not None and ended.status >= 500:
            _failed(root)
        if ended.run is not None:
            self._trace_run(ended, ended.run, _inside(root), clock)
        root.end(clock(ended.started + ended.seconds))

    def _trace_run(self, ended: Ended, run: Record, context: Context, clock: _Clock) -> None:
        usage = run.usage
        attributes: Attributes = {
            "gen_ai.operation.name": "invoke_agent",
            "gen_ai.agent.name": run.agent,
            "gen_ai.usage.input_tokens": usage.prompt,
            "gen_ai.usage.output_tokens": usage.completion,
        }
        if run.conversation is not None:
            attributes["gen_ai.conversation.id"] = run.conversation
        span = self._tracer.start_span(
            f"invoke_agent {run.agent}", context, attributes=attributes, start_time=clock(run.began)
        )
        if run.first_token is not None:
            span.add_event("first token", timestamp=clock(run.first_token))
        if ended.error is not None:
            span.set_attribute("error.type", ended.error[1] or ended.error[0])
            _failed(span)
        self._trace_steps(run, _inside(span), clock)
        span.end(clock(ended.started + ended.seconds))

    def _trace_steps(self, run: Record, context: Context, clock: _Clock) -> None:
        from opentelemetry.trace import SpanKind

        for call in run.model_calls:
            spent: Attributes = {
                "gen_ai.usage.input_tokens": call.usage.prompt,
                "gen_ai.usage.output_tokens": call.usage.completion,
            }
            self._tracer.start_span(
                f"chat {call.model}",
                context,
                SpanKind.CLIENT,
                {**_of_call(call), **spent},
                start_time=clock(call.began),
            ).end(clock(call.ended))
        for use in run.tools:
            span = self._tracer.start_span(
                f"execute_tool {use.tool}",
                context,
                attributes=_of_tool(use),
                start_time=clock(use.began),
            )
            if use.failed:
                _failed(span)
            span.end(clock(use.ended))


class _Clock:
    """From the time of `time.monotonic` to nanoseconds since 1970."""

    def __init__(self) -> None:
        self._offset = time.time_ns() - time.monotonic_ns()

    def __call__(self, moment: float) -> int:
        return int(moment * 1e9) + self._offset


def _of_call(call: ModelCall) -> Attributes:
    return {
        "gen_ai.operation.name": "chat",
        "gen_ai.agent.name": call.source.agent,
        "gen_ai.response.model": call.model,
    }


def _of_tool(use: ToolUse) -> Attributes:
    return {
        "gen_ai.operation.name": "execute_tool",
        "gen_ai.agent.name": use.source.agent,
        "gen_ai.tool.name": use.tool,
    }


def _carrier(headers: Mapping[bytes, bytes]) -> dict[str, str]:
    wanted = (b"traceparent", b"tracestate")
    return {name.decode(): headers[name].decode("latin-1") for name in wanted if name in headers}


def _inside(span: Span) -> Context:
    from opentelemetry.trace import set_span_in_context

    return set_span_in_context(span)


def _failed(span: Span) -> None:
    from opentelemetry.trace import StatusCode

    span.set_status(StatusCode.ERROR)
