/* slack.h - incidents in a Slack channel. */
#pragma once

#include "sinks/sink.h"

extern const struct sink_type sink_slack_type;
