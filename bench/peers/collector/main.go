// A Collector as small as can be for measuring: OTLP in; out to nothing, or over OTLP/HTTP behind a
// sending queue on disk. Built from the official modules, as the Collector's own builder does.
package main

import (
	"log"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/confmap"
	"go.opentelemetry.io/collector/confmap/provider/yamlprovider"
	"go.opentelemetry.io/collector/exporter"
	"go.opentelemetry.io/collector/exporter/debugexporter"
	"go.opentelemetry.io/collector/exporter/otlphttpexporter"
	"go.opentelemetry.io/collector/extension"
	"go.opentelemetry.io/collector/otelcol"
	"go.opentelemetry.io/collector/processor"
	"go.opentelemetry.io/collector/processor/batchprocessor"
	"go.opentelemetry.io/collector/receiver"
	"go.opentelemetry.io/collector/receiver/otlpreceiver"

	"github.com/open-telemetry/opentelemetry-collector-contrib/extension/storage/filestorage"
)

func factories() (made otelcol.Factories, err error) {
	if made.Receivers, err = receiver.MakeFactoryMap(otlpreceiver.NewFactory()); err != nil {
		return
	}
	if made.Processors, err = processor.MakeFactoryMap(batchprocessor.NewFactory()); err != nil {
		return
	}
	if made.Extensions, err = extension.MakeFactoryMap(filestorage.NewFactory()); err != nil {
		return
	}
	made.Exporters, err = exporter.MakeFactoryMap(debugexporter.NewFactory(),
		otlphttpexporter.NewFactory())
	return
}

func main() {
	providers := confmap.ResolverSettings{
		ProviderFactories: []confmap.ProviderFactory{yamlprovider.NewFactory()},
		DefaultScheme:     "yaml",
	}
	command := otelcol.NewCommand(otelcol.CollectorSettings{
		BuildInfo:              component.BuildInfo{Command: "collector", Version: "1"},
		Factories:              factories,
		ConfigProviderSettings: otelcol.ConfigProviderSettings{ResolverSettings: providers},
	})
	if err := command.Execute(); err != nil {
		log.Fatal(err)
	}
}
