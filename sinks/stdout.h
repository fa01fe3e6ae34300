/* stdout.h - the smallest sink: one readable line or one JSON line a message. */
#pragma once

#include "sinks/sink.h"

extern const struct sink_type sink_stdout_type;

/* The default sink of `run`: writes to fd, as JSON lines or as words. */
MUST_CHECK enum sink_verdict stdout_write_message(int fd, bool as_json,
                                                  const struct outbox_message *message,
                                                  struct fault *fault);
