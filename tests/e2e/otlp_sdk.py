"""The official OpenTelemetry Python SDK as a client: logs, spans and metrics over its exporters."""
import logging
import os
import sys

sys.path.insert(0, os.path.join(os.environ["QUELL_SOURCE"], "tests", "tools"))
import python_packages

python_packages.want("opentelemetry-sdk==1.29.0", "opentelemetry-exporter-otlp-proto-grpc==1.29.0",
                     "opentelemetry-exporter-otlp-proto-http==1.29.0", "protobuf<6")
logging.disable(logging.WARNING)  # exporters tell of every retry

import grpc
from opentelemetry import trace
from opentelemetry._logs import SeverityNumber
from opentelemetry.exporter.otlp.proto.grpc import _log_exporter as grpc_logs
from opentelemetry.exporter.otlp.proto.grpc import metric_exporter as grpc_metrics
from opentelemetry.exporter.otlp.proto.grpc import trace_exporter as grpc_traces
from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http import _log_exporter as http_logs
from opentelemetry.exporter.otlp.proto.http import metric_exporter as http_metrics
from opentelemetry.exporter.otlp.proto.http import trace_exporter as http_traces
from opentelemetry.sdk._logs import LoggerProvider, LogRecord
from opentelemetry.sdk._logs.export import SimpleLogRecordProcessor
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor


GRPC_PACKED = {"plain": grpc.Compression.NoCompression, "gzip": grpc.Compression.Gzip,
               "deflate": grpc.Compression.Deflate}
HTTP_PACKED = {"plain": Compression.NoCompression, "gzip": Compression.Gzip,
               "deflate": Compression.Deflate}


class Exporters:
    """Exporters of one protocol; they raise nothing, so their results are kept."""

    def __init__(self, protocol, port, packed, tls=None, headers=None):
        self.results = []
        if protocol == "grpc":
            more = {"endpoint": f"127.0.0.1:{port}", "insecure": tls is None, "timeout": 60,
                    "headers": headers, "credentials": tls and grpc.ssl_channel_credentials(
                        *[tls.get(name) for name in ("ca", "key", "chain")]),
                    "compression": GRPC_PACKED[packed]}
            self.logs = grpc_logs.OTLPLogExporter(**more)
            self.spans = grpc_traces.OTLPSpanExporter(**more)
            self.metrics = grpc_metrics.OTLPMetricExporter(**more)
        else:
            base = f"{'https' if tls else 'http'}://localhost:{port}/v1/"
            more = {"timeout": 60, "headers": headers,
                    "compression": HTTP_PACKED[packed],
                    "certificate_file": tls and tls["ca_file"]}
            self.logs = http_logs.OTLPLogExporter(base + "logs", **more)
            self.spans = http_traces.OTLPSpanExporter(base + "traces", **more)
            self.metrics = http_metrics.OTLPMetricExporter(base + "metrics", **more)
        for exporter in (self.logs, self.spans, self.metrics):
            self.keep_results(exporter)

    def keep_results(self, exporter):
        export = exporter.export

        def wrapper(*arguments, **more):
            result = export(*arguments, **more)
            self.results.append(result.name)
            return result

        exporter.export = wrapper

    def error_log(self, service, message, error="Timeout"):
        provider = LoggerProvider(Resource({"service.name": service}))
        provider.add_log_record_processor(SimpleLogRecordProcessor(self.logs))
        provider.get_logger("orders").emit(LogRecord(
            timestamp=1, observed_timestamp=1, body=message, severity_text="ERROR",
            severity_number=SeverityNumber.ERROR, attributes={"error.type": error},
            trace_id=0, span_id=0, trace_flags=trace.TraceFlags(0), resource=provider.resource))

    def failing_span(self, service, message):
        provider = TracerProvider(resource=Resource({"service.name": service}))
        provider.add_span_processor(SimpleSpanProcessor(self.spans))
        with provider.get_tracer("orders").start_as_current_span("charge") as span:
            span.set_status(trace.StatusCode.ERROR, message)

    def points(self, service):
        reader = PeriodicExportingMetricReader(self.metrics, export_interval_millis=1 << 30)
        provider = MeterProvider([reader], Resource({"service.name": service}))
        meter = provider.get_meter("orders")
        meter.create_counter("orders").add(3, {"tier": "gold"})
        meter.create_histogram("latency").record(0.25)
        provider.shutdown()
