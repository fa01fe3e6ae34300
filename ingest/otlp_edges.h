/*
 * otlp_edges.h - what a span teaches about who depends on whom: its parent or children in other
 * services, the database or peer it calls, the topic it writes to or reads from.
 * Thread: one at a time.
 */
#pragma once

#include "ingest/otlp_record.h"

/* The span was taken. Adds an envelope for each edge that was not told of late: kind lineage, flag
 * LEARNED; the answer does not count them. FULL: throttle the request. */
MUST_CHECK struct status otlp_edges_learn(const struct otlp_span *span, struct decode *decode,
                                          struct slice raw);
