"""Traces and metrics as an OpenTelemetry collector receives them. Source: `-o, --otel`."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from tests.conftest import Serve
from tests.harness import agent_yaml, run_command
from tests.requirements import requirement
from tests.scripted.heard import Model
from tests.scripted.model import Scripted
from tests.scripted.parts import call, fail, say, usage

TRACE = "0af7651916cd43dd8448eb211c80319c"
PARENT = "b7ad6b7169203331"
SECRETS = ("s3cret-key", "s3cret-text", "s3cret-thought")


class Collector:
    """Takes what OTLP/HTTP exporters post."""

    def __init__(self, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self.bodies: list[tuple[str, bytes]] = []
        self.headers: list[dict[str, str]] = []

    def spans(self) -> dict[str, Any]:
        """Spans by name."""
        found: dict[str, Any] = {}
        for path, body in self.bodies:
            if path == "/v1/traces":
                for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
                    for scope in resource.scope_spans:
                        found |= {span.name: span for span in scope.spans}
        return found

    def metrics(self) -> dict[str, Any]:
        """Metrics by name."""
        found: dict[str, Any] = {}
        for path, body in self.bodies:
            if path == "/v1/metrics":
                for resource in ExportMetricsServiceRequest.FromString(body).resource_metrics:
                    for scope in resource.scope_metrics:
                        found |= {metric.name: metric for metric in scope.metrics}
        return found


def attributes(found: Any) -> dict[str, object]:  # noqa: ANN401 the library's messages are untyped
    """A span's or point's attributes."""
    values = {pair.key: pair.value for pair in found.attributes}
    return {name: getattr(value, value.WhichOneof("value")) for name, value in values.items()}


@pytest.fixture
def collector() -> Iterator[Collector]:
    """A collector on a free port."""

    class Taking(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            taken.bodies.append((self.path, body))
            taken.headers.append(dict(self.headers))
            self.send_response(200)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Taking) as server:
        taken = Collector(server.server_address[1])
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield taken
        server.shutdown()
        thread.join()


@requirement("chat:1:otel")
@pytest.mark.parametrize("flag", ["-o", "--otel"])
def test_a_chat_is_a_trace_of_what_was_done(
    scripted: Scripted, serve: Serve, model: Model, collector: Collector, flag: str
) -> None:
    """One span for the request, the run, each model call and each tool; the caller's trace goes
    on; no text is in it."""
    agent = {"model": model.name, "toolsets": [{"type": "think"}]}
    env = {
        "OTEL_EXPORTER_OTLP_ENDPOINT": collector.url,
        "OTEL_EXPORTER_OTLP_HEADERS": "x-collector-key=abc",
    }
    file = agent_yaml(scripted.url, {"root": agent})
    server = serve(file, flag, "--api-key", SECRETS[0], "--conversations-max", "9", env=env)
    numbers = usage(10, 5)
    model.script(call("think", {"thought": SECRETS[2]}) + numbers, say(SECRETS[1]) + numbers)
    headers = {
        "traceparent": f"00-{TRACE}-{PARENT}-01",
        "X-Request-Id": "mine",
        "X-Conversation-Id": "c",
    }
    client = server.client(key=SECRETS[0])
    with client.stream(SECRETS[1], headers=headers) as stream:
        stream.rest()
    assert client.get("/health").status == 200
    assert server.stop() == 0
    spans = collector.spans()
    root, run = spans["POST /v1/chat/completions"], spans["invoke_agent root"]
    chat, tool = spans[f"chat {model.name}"], spans["execute_tool think"]
    assert set(spans) == {root.name, run.name, chat.name, tool.name}
    assert {span.trace_id.hex() for span in spans.values()} == {TRACE}
    assert root.parent_span_id.hex() == PARENT
    assert run.parent_span_id == root.span_id
    assert chat.parent_span_id == tool.parent_span_id == run.span_id
    times = [root.start_time_unix_nano, run.start_time_unix_nano, chat.start_time_unix_nano]
    assert times == sorted(times)
    assert abs(root.end_time_unix_nano / 1e9 - time.time()) < 60
    assert run.events[0].name == "first token"
    said = attributes(root) | attributes(run)
    assert said["docker_agent.request_id"] == "mine"
    assert said["docker_agent.caller"] == "key"
    assert said["http.response.status_code"] == 200
    assert said["gen_ai.conversation.id"] == "c"
    assert (said["gen_ai.usage.input_tokens"], said["gen_ai.usage.output_tokens"]) == (20, 10)
    assert attributes(chat)["gen_ai.usage.input_tokens"] == 10
    assert not [
        secret for secret in SECRETS if secret.encode() in b"".join(dict(collector.bodies).values())
    ]
    assert all(headers["x-collector-key"] == "abc" for headers in collector.headers)


@requirement("chat:1:otel")
def test_numbers_are_sent_too_and_failures_are_marked(
    scripted: Scripted, serve: Serve, model: Model, collector: Collector
) -> None:
    """Metrics in the names of OpenTelemetry's conventions; what is left is sent at the end."""
    env = {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.url, "OTEL_SERVICE_NAME": "my-agents"}
    server = serve(agent_yaml(scripted.url, model.name), "--otel", env=env)
    model.script(say("Hi") + usage(10, 5), fail(400, "no"))
    assert server.client().chat("1").status == 200
    assert server.client().chat("2").status == 502
    assert server.stop() == 0
    metrics = collector.metrics()
    assert set(metrics) >= {
        "http.server.request.duration",
        "gen_ai.client.operation.duration",
        "gen_ai.client.token.usage",
        "gen_ai.server.time_to_first_token",
        "docker_agent.runs.active",
    }
    tokens = {
        attributes(point)["gen_ai.token.type"]: point.sum
        for point in metrics["gen_ai.client.token.usage"].histogram.data_points
    }
    assert tokens == {"input": 10, "output": 5}
    requests = metrics["http.server.request.duration"].histogram.data_points
    statuses = {attributes(point)["http.response.status_code"]: point.count for point in requests}
    assert statuses == {200: 1, 502: 1}
    spans = collector.spans()
    assert attributes(spans["invoke_agent root"])["error.type"] == "model_error"
    assert spans["POST /v1/chat/completions"].status.code == 2
    assert b"my-agents" in dict(collector.bodies)["/v1/traces"]


@requirement("chat:1:otel")
def test_a_collector_that_is_gone_costs_no_request_and_no_end(
    scripted: Scripted, serve: Serve, model: Model
) -> None:
    """Nobody waits for telemetry."""
    env = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9"}
    server = serve(agent_yaml(scripted.url, model.name), "--otel", env=env)
    assert server.client().chat("hi").status == 200
    began = time.monotonic()
    assert server.stop() == 0
    assert time.monotonic() - began < 12


@requirement("chat:1:otel")
def test_what_cannot_be_honoured_stops_the_start(tmp_path: Path) -> None:
    """chat-server.md §1: one clear message; the library is an extra."""
    file = tmp_path / "agent.yaml"
    file.write_text(agent_yaml("http://127.0.0.1:9/v1", "m"))
    command = ("serve", "chat", str(file), "--listen", "127.0.0.1:0", "--otel")
    env = {"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}
    done = run_command(*command, home=tmp_path, env=env)
    assert (done.returncode, "http/protobuf" in done.stderr) == (1, True), done.stderr
    (tmp_path / "opentelemetry.py").write_text("raise ImportError('not here')")
    done = run_command(*command, home=tmp_path, env={"PYTHONPATH": str(tmp_path)})
    assert (done.returncode, "docker-agent[otel]" in done.stderr) == (1, True), done.stderr
