/* postgres.h - see postgres.c. */
#pragma once

#include "sinks/sink.h"

extern const struct sink_type sink_postgres_type;
