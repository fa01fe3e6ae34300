// The official OpenTelemetry JavaScript SDK as a client: one log, one failed span, two points, by
// the exporters of one protocol. Argument: {folder, protocol, url, gzip, ca, service}.
"use strict";
const { createRequire } = require("node:module");
const fs = require("node:fs");

const options = JSON.parse(process.argv[2]);
const load = createRequire(options.folder + "/");
const suffix = { "http/json": "http", "http/protobuf": "proto", grpc: "grpc" }[options.protocol];
const { SpanStatusCode } = load("@opentelemetry/api");
const { SeverityNumber } = load("@opentelemetry/api-logs");
const { Resource } = load("@opentelemetry/resources");
const { BasicTracerProvider, SimpleSpanProcessor } = load("@opentelemetry/sdk-trace-base");
const { LoggerProvider, SimpleLogRecordProcessor } = load("@opentelemetry/sdk-logs");
const { MeterProvider, PeriodicExportingMetricReader } = load("@opentelemetry/sdk-metrics");

function settings(signal) {
  const more = { compression: options.gzip ? "gzip" : "none", timeoutMillis: 50000 };
  if (options.protocol !== "grpc") {
    more.url = options.url + "/v1/" + signal;
    if (options.ca) more.httpAgentOptions = { ca: fs.readFileSync(options.ca) };
    return more;
  }
  more.url = options.url;
  const grpc = load("@grpc/grpc-js");
  more.credentials = options.ca
    ? grpc.credentials.createSsl(fs.readFileSync(options.ca))
    : grpc.credentials.createInsecure();
  return more;
}

// SDKs tell of failures to a logger only: the results are kept.
const results = [];
function exporter(module, name, signal) {
  const made = new (load("@opentelemetry/" + module + suffix)[name])(settings(signal));
  const send = made.export.bind(made);
  made.export = (items, done) => send(items, (result) => {
    results.push(result.code === 0 ? "SUCCESS" : String(result.error));
    done(result);
  });
  return made;
}

async function main() {
  const resource = new Resource({ "service.name": options.service });
  const logs = new LoggerProvider({ resource });
  logs.addLogRecordProcessor(new SimpleLogRecordProcessor(
    exporter("exporter-logs-otlp-", "OTLPLogExporter", "logs")));
  logs.getLogger("orders").emit({
    severityNumber: SeverityNumber.ERROR, severityText: "ERROR", body: "disk is full " + "x".repeat(3000),
    attributes: { "error.type": "NoSpace", "count": 3, "ratio": 0.25, "list": ["a", "b"] } });
  await logs.forceFlush();

  const spans = new BasicTracerProvider({ resource: new Resource({ "service.name": options.service + "-spans" }),
    spanProcessors: [new SimpleSpanProcessor(exporter("exporter-trace-otlp-", "OTLPTraceExporter", "traces"))] });
  const span = spans.getTracer("orders").startSpan("charge");
  span.recordException(new Error("card refused"));
  span.setStatus({ code: SpanStatusCode.ERROR, message: "card refused" });
  span.end();
  await spans.forceFlush();

  const meters = new MeterProvider({ resource, readers: [new PeriodicExportingMetricReader({
    exporter: exporter("exporter-metrics-otlp-", "OTLPMetricExporter", "metrics") })] });
  const meter = meters.getMeter("orders");
  meter.createCounter("orders").add(3, { region: "eu" });
  meter.createHistogram("duration").record(12.5);
  await meters.forceFlush();
  await Promise.all([logs.shutdown(), spans.shutdown(), meters.shutdown()]);
  console.log(JSON.stringify(results));
}

main().catch((error) => { console.error(error); process.exit(1); });
