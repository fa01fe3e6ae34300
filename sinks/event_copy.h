/*
 * event_copy.h - events of the journal, copied to a sink that can hold them (`events = true`).
 *
 * The journal is read behind the engine, from the place that the sink itself keeps, so the engine
 * knows nothing of it, an outage costs no memory, and what was missed is made good, as far back as
 * the journal reaches.
 *
 * Invariants: 1. Only records whose effects are committed are read: their numbers are never used
 * again. 2. At most one batch of rows is in memory, and it is sent until the sink has it. 3. The
 * place moves on with the rows, in the sink's transaction. 4. What could not be copied is counted
 * and logged: records that the journal had let go, and events that the sink refuses for good.
 *
 * Not copied: what was refused (the quarantine has it) and what was found out beside an event.
 *
 * Thread: the sinks'.
 */
#pragma once

#include "sinks/sink.h"

struct sink_host;
struct event_copy;

/* More than these in one process are refused: each reads all of the journal. */
enum { EVENT_COPIES_MAX = 16 };

/* Whether the sink's settings ask for copies. INVALID with words. */
MUST_CHECK struct status event_copy_is_wanted(const struct config_sink *config,
                                              const struct sink_type *type, bool *is_wanted_out,
                                              struct fault *fault);
/* FULL without memory; else as the type's open says. */
MUST_CHECK struct status event_copy_open(struct sink_host *host, struct event_copy **copy_out,
                                         struct fault *fault);
/* After a new configuration: what it may reach. */
void event_copy_allow(struct event_copy *copy, enum sink_addresses addresses);
/* Accepts NULL. */
void event_copy_close(struct event_copy *copy);
