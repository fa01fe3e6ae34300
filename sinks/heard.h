/*
 * heard.h - what a sink has heard of an incident: whether a message is old news to it, its first,
 * or an end that it knows.
 *
 * The shard notes it beside what the sink remembers (core/outbox.h, outbox_heard_key); until that
 * is committed the host's memory knows. A sink that keeps a history asks neither: it takes every
 * message as it was told. Thread: the sinks'.
 */
#pragma once

#include "sinks/sinks_internal.h"

/* Whether an older state would arrive behind a newer one: a dead letter that goes out again. */
bool heard_is_newer(const struct sink_host *host, struct store_snapshot *snapshot,
                    const struct outbox_message *message);
/* Whether the end was the last that the sink heard of the incident: what was told of its being open
 * again in between was overtaken here, and a second end would say nothing. */
bool heard_is_end(const struct sink_host *host, struct store_snapshot *snapshot,
                  const struct outbox_message *message);
/* Whether an update is the first that the sink hears of the incident, since its "opened" is a dead
 * letter: then it is told as that. */
bool heard_is_nothing(const struct sink_host *host, struct store_snapshot *snapshot,
                      const struct outbox_message *message);
/* What became of the message, which is the host's result. */
void heard_note(struct sink_host *host, const struct queued_message *message);
