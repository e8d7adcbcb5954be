"""A daemon's export, through a receiver of others, against what the conventions say."""

import gzip
import http.server
import pathlib
import shutil
import socket
import sys
import tempfile
import threading
import time

import rotel
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.metrics.v1.metrics_pb2 import AggregationTemporality
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from support import check, finish, process, serving

binary, protocol = sys.argv[1:3]

# Longest wait for everything that is looked for.
PATIENCE_S = 45
SECONDS = [0.01 * 2**n for n in range(14)]
TOKENS = [4.0**n for n in range(14)]
CUMULATIVE = AggregationTemporality.AGGREGATION_TEMPORALITY_CUMULATIVE

lock = threading.Lock()
came = {"/v1/metrics": [], "/v1/traces": [], "/v1/logs": []}
MESSAGES = {
    "/v1/metrics": ExportMetricsServiceRequest,
    "/v1/traces": ExportTraceServiceRequest,
    "/v1/logs": ExportLogsServiceRequest,
}


class Sink(http.server.BaseHTTPRequestHandler):
    """Takes what the receiver hands on."""

    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        if self.headers.get("content-encoding") == "gzip":
            body = gzip.decompress(body)
        message = MESSAGES[self.path].FromString(body)
        with lock:
            came[self.path].append(message)
        self.send_response(200)
        self.send_header("content-type", "application/x-protobuf")
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


def metrics():
    """Each metric as it was last told."""
    with lock:
        requests = list(came["/v1/metrics"])
    found = {}
    for request in requests:
        for resource in request.resource_metrics:
            for scope in resource.scope_metrics:
                found.update((metric.name, metric) for metric in scope.metrics)
    return found


def spans():
    with lock:
        requests = list(came["/v1/traces"])
    return [span for request in requests for of in request.resource_spans for scope in of.scope_spans for span in scope.spans]


def records():
    with lock:
        requests = list(came["/v1/logs"])
    return [line for request in requests for of in request.resource_logs for scope in of.scope_logs for line in scope.log_records]


def resources():
    with lock:
        metrics, traces, logs = (list(came[path]) for path in came)
    yield from (of.resource for request in metrics for of in request.resource_metrics)
    yield from (of.resource for request in traces for of in request.resource_spans)
    yield from (of.resource for request in logs for of in request.resource_logs)


def value(any_value):
    kind = any_value.WhichOneof("value")
    if kind == "array_value":
        return [value(item) for item in any_value.array_value.values]
    return getattr(any_value, kind) if kind else None


def attributes(of):
    return {pair.key: value(pair.value) for pair in of.attributes}


def cut(span):
    return attributes(span).get("endturn.truncation.kind") == "cut"


def whole(span):
    return span.name == "chat claude-haiku-4-5" and attributes(span).get("endturn.outcome") == "complete"


def complete():
    names = {record.event_name for record in records()}
    told = metrics()
    return (
        any(map(cut, spans()))
        and any(map(whole, spans()))
        and "endturn.health.transition" in names
        and "endturn.probe.truncations" in told
        and "endturn.probe.ttft" in told
    )


def check_histogram(name, unit, bounds):
    metric = metrics()[name]
    check(f"unit of {name}", metric.unit, unit)
    check(f"temporality of {name}", metric.histogram.aggregation_temporality, CUMULATIVE)
    near = lambda points: all(len(points) == len(bounds) and abs(a - b) < 1e-9 * b for a, b in zip(points, bounds))
    check(f"bounds of {name}", all(near(point.explicit_bounds) for point in metric.histogram.data_points), True)
    point = metric.histogram.data_points[0]
    check(f"{name} counts", point.count > 0 and sum(point.bucket_counts) == point.count and point.sum > 0, True)


def check_metrics():
    check_histogram("gen_ai.client.operation.duration", "s", SECONDS)
    check_histogram("gen_ai.client.operation.time_to_first_chunk", "s", SECONDS)
    check_histogram("gen_ai.client.token.usage", "{token}", TOKENS)
    told = metrics()
    kinds = {attributes(point)["gen_ai.token.type"] for point in told["gen_ai.client.token.usage"].histogram.data_points}
    check("token types", kinds, {"input", "output"})
    for name in ("endturn.probe.ttft", "endturn.probe.itl", "endturn.probe.e2e", "endturn.probe.phase.duration"):
        metric = told[name]
        points = metric.exponential_histogram.data_points
        check(f"{name} is exponential, in s", (len(points) > 0, metric.unit), (True, "s"))
        check(f"temporality of {name}", metric.exponential_histogram.aggregation_temporality, CUMULATIVE)
    phases = {attributes(point)["endturn.phase"] for point in told["endturn.probe.phase.duration"].exponential_histogram.data_points}
    check("phases", phases >= {"connect_tls", "headers", "first_token", "stream"}, True)
    for name, unit, key in (
        ("endturn.probe.attempts", "{attempt}", "endturn.outcome"),
        ("endturn.probe.truncations", "{reply}", "endturn.truncation.kind"),
    ):
        metric = told[name]
        check(f"{name} is a sum", (metric.sum.is_monotonic, metric.sum.aggregation_temporality, metric.unit), (True, CUMULATIVE, unit))
        check(f"{name} is split", all(key in attributes(point) for point in metric.sum.data_points), True)
    states = {}
    for point in told["endturn.health.state"].gauge.data_points:
        states.setdefault(attributes(point)["endturn.target"], []).append(point.as_double)
    check("one state holds of each target", all(sorted(all_of) == [0] * 5 + [1] for all_of in states.values()), True)


def check_spans():
    span = next(filter(whole, spans()))
    of = attributes(span)
    check("kind of a span", span.kind, Span.SpanKind.SPAN_KIND_CLIENT)
    for name, wanted in {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "anthropic",
        "gen_ai.request.model": "claude-haiku-4-5",
        "gen_ai.request.stream": True,
        "gen_ai.response.finish_reasons": ["end_turn"],
        "server.address": "127.0.0.1",
        "user_agent.synthetic.type": "test",
        "http.response.status_code": 200,
    }.items():
        check(name, of.get(name), wanted)
    check("a whole reply has no error", "error.type" in of, False)
    check("tokens of a span", of["gen_ai.usage.input_tokens"] > 0 and of["gen_ai.usage.output_tokens"] > 0, True)
    check("first chunk in seconds", 0 < of["gen_ai.response.time_to_first_chunk"] < 30, True)
    times = [event.time_unix_nano for event in span.events]
    inside = span.start_time_unix_nano <= times[0] and times[-1] <= span.end_time_unix_nano
    check("moments lie in order inside the span", times == sorted(times) and inside, True)
    moments = {event.name for event in span.events}
    check("moments", moments >= {"endturn.headers", "endturn.first_token", "endturn.terminal", "endturn.end"}, True)
    span = next(filter(cut, spans()))
    of = attributes(span)
    check("a cut reply", (of["error.type"], of["gen_ai.response.finish_reasons"], span.status.code), ("stream_truncated", ["error"], 2))
    check("spans of reachability", any(span.name == "reach anthropic" for span in spans()), True)


def config(port, simulator, receiver, work):
    return f"""
vantage = "here"
[server]
listen = "127.0.0.1:{port}"
[store]
path = "{work}/endturn.db"
[network]
anchors = []
[telemetry.otlp]
endpoint = "http://127.0.0.1:{receiver}"
protocol = "{protocol}"
interval = "1s"
[[provider]]
id = "anthropic"
base_url = "http://127.0.0.1:{simulator}/anthropic"
api_key = {{ env = "KEY" }}
models = ["claude-haiku-4-5", "claude-haiku-4-5!truncate.fin"]
free = true
reach = {{ every = "500ms" }}
canary = {{ every = "200ms" }}
"""


work = pathlib.Path(tempfile.mkdtemp(prefix="endturn-export-"))
daemon, simulator, by_http, by_grpc = (free_port() for _ in range(4))
sink = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Sink)
threading.Thread(target=sink.serve_forever, daemon=True).start()
agent = pathlib.Path(rotel.__file__).parent / "rotel-agent"
begun = time.monotonic()
try:
    receiver = by_grpc if protocol == "grpc" else by_http
    (work / "endturn.toml").write_text(config(daemon, simulator, receiver, work), encoding="utf-8")
    with (
        process([binary, "simulate", "--listen", f"127.0.0.1:{simulator}"], work / "simulator.log"),
        process(
            [
                agent,
                "start",
                f"--otlp-http-endpoint=127.0.0.1:{by_http}",
                f"--otlp-grpc-endpoint=127.0.0.1:{by_grpc}",
                "--exporter=otlp",
                f"--otlp-exporter-endpoint=http://127.0.0.1:{sink.server_address[1]}",
                "--otlp-exporter-protocol=http",
            ],
            work / "rotel.log",
            {"ROTEL_BATCH_TIMEOUT": "200ms"},
        ),
        serving(
            [binary, "run", "-c", str(work / "endturn.toml")],
            work / "daemon.log",
            f"http://127.0.0.1:{daemon}/livez",
            20,
            {"KEY": "k"},
        ),
    ):
        end = time.monotonic() + PATIENCE_S
        while not complete() and time.monotonic() < end:
            time.sleep(0.2)
        check("metrics, spans and records came", complete(), True)
        if not complete():
            print((work / "rotel.log").read_text()[-2000:], (work / "daemon.log").read_text()[-2000:], sorted(metrics()))
            finish()
        names = {(attributes(of).get("service.name"), attributes(of).get("endturn.vantage")) for of in resources()}
        check("who tells", names, {("endturn", "here")})
        check_metrics()
        check_spans()
        record = next(line for line in records() if line.event_name == "endturn.health.transition")
        check("a record", bool(record.severity_text and record.body.string_value and record.time_unix_nano), True)
finally:
    shutil.rmtree(work, ignore_errors=True)
print(f"     {len(spans())} spans, {len(records())} records, {len(metrics())} metrics over {protocol}, {time.monotonic() - begun:.0f} s")
finish()
