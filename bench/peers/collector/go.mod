module collector

go 1.22

require (
	github.com/open-telemetry/opentelemetry-collector-contrib/extension/storage/filestorage v0.118.0
	go.opentelemetry.io/collector/component v0.118.0
	go.opentelemetry.io/collector/confmap v1.24.0
	go.opentelemetry.io/collector/confmap/provider/yamlprovider v1.24.0
	go.opentelemetry.io/collector/exporter v0.118.0
	go.opentelemetry.io/collector/exporter/debugexporter v0.118.0
	go.opentelemetry.io/collector/exporter/otlphttpexporter v0.118.0
	go.opentelemetry.io/collector/extension v0.118.0
	go.opentelemetry.io/collector/otelcol v0.118.0
	go.opentelemetry.io/collector/processor v0.118.0
	go.opentelemetry.io/collector/processor/batchprocessor v0.118.0
	go.opentelemetry.io/collector/receiver v0.118.0
	go.opentelemetry.io/collector/receiver/otlpreceiver v0.118.0
)
