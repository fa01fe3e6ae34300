/*
 * otlp_edges.h - what a span teaches about who depends on whom: its parent or children in other
 * services, the database or peer it calls, the topic it writes to or reads from.
 * Thread: one at a time.
 */
#pragma once

#include "core/config.h"
#include "ingest/otlp_record.h"

/* Of this decode's spans is learned, beside those of all other sources that share `spans`; NULL:
 * nothing is. */
void otlp_edges_begin(struct decode *decode, struct span_memory *spans,
                      const struct config *config);

/* The span was taken. Adds an envelope for each edge that was not told of late: kind lineage, flag
 * LEARNED; the answer does not count them. FULL: throttle the request. */
MUST_CHECK struct status otlp_edges_learn(const struct otlp_span *span, struct decode *decode,
                                          struct slice raw);
