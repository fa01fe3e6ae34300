/* kafka_sink.h - incidents to a topic of Apache Kafka. */
#pragma once

#include "sinks/sink.h"

extern const struct sink_type sink_kafka_type;
