/* webhook.h - incidents by HTTP POST, signed as Standard Webhooks 1.0.0. */
#pragma once

#include "sinks/sink.h"

extern const struct sink_type sink_webhook_type;
