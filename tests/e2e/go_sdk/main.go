// The official OpenTelemetry Go SDK as a client: one log, one failed span, two points. What is sent
// where is told by the OTEL_EXPORTER_OTLP_ variables, which the exporters read themselves.
package main

import (
	"context"
	"errors"
	"log"
	"os"
	"strings"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/exporters/otlp/otlplog/otlploggrpc"
	"go.opentelemetry.io/otel/exporters/otlp/otlplog/otlploghttp"
	"go.opentelemetry.io/otel/exporters/otlp/otlpmetric/otlpmetricgrpc"
	"go.opentelemetry.io/otel/exporters/otlp/otlpmetric/otlpmetrichttp"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracegrpc"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	otellog "go.opentelemetry.io/otel/log"
	sdklog "go.opentelemetry.io/otel/sdk/log"
	"go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/resource"
	"go.opentelemetry.io/otel/sdk/trace"
)

var isGrpc = os.Getenv("OTEL_EXPORTER_OTLP_PROTOCOL") == "grpc"

func must(err error) {
	if err != nil {
		log.Fatal(err)
	}
}

func service(name string) *resource.Resource {
	return resource.NewSchemaless(attribute.String("service.name", name))
}

func sendLog(ctx context.Context, name string) {
	var exporter sdklog.Exporter
	var err error
	if isGrpc {
		exporter, err = otlploggrpc.New(ctx)
	} else {
		exporter, err = otlploghttp.New(ctx)
	}
	must(err)
	provider := sdklog.NewLoggerProvider(sdklog.WithResource(service(name)),
		sdklog.WithProcessor(sdklog.NewBatchProcessor(exporter)))
	var record otellog.Record
	record.SetTimestamp(time.Now())
	record.SetSeverity(otellog.SeverityError)
	record.SetBody(otellog.StringValue("disk is full " + strings.Repeat("x", 3000)))
	record.AddAttributes(otellog.String("error.type", "NoSpace"))
	provider.Logger("orders").Emit(ctx, record)
	must(provider.ForceFlush(ctx))
	must(provider.Shutdown(ctx))
}

func sendSpan(ctx context.Context, name string) {
	var exporter trace.SpanExporter
	var err error
	if isGrpc {
		exporter, err = otlptracegrpc.New(ctx)
	} else {
		exporter, err = otlptracehttp.New(ctx)
	}
	must(err)
	provider := trace.NewTracerProvider(trace.WithResource(service(name)), trace.WithBatcher(exporter))
	_, span := provider.Tracer("orders").Start(ctx, "charge")
	span.RecordError(errors.New("card refused"))
	span.SetStatus(codes.Error, "card refused")
	span.End()
	must(provider.ForceFlush(ctx))
	must(provider.Shutdown(ctx))
}

func sendPoints(ctx context.Context, name string) {
	var exporter metric.Exporter
	var err error
	if isGrpc {
		exporter, err = otlpmetricgrpc.New(ctx)
	} else {
		exporter, err = otlpmetrichttp.New(ctx)
	}
	must(err)
	provider := metric.NewMeterProvider(metric.WithResource(service(name)),
		metric.WithReader(metric.NewPeriodicReader(exporter)))
	counter, err := provider.Meter("orders").Int64Counter("orders")
	must(err)
	counter.Add(ctx, 3)
	histogram, err := provider.Meter("orders").Float64Histogram("duration")
	must(err)
	histogram.Record(ctx, 12.5)
	must(provider.ForceFlush(ctx))
	must(provider.Shutdown(ctx))
}

func main() {
	ctx, cancel := context.WithTimeout(context.Background(), 55*time.Second)
	defer cancel()
	sendLog(ctx, os.Args[1])
	sendSpan(ctx, os.Args[1]+"-spans")
	sendPoints(ctx, os.Args[1])
}
