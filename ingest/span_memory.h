/*
 * span_memory.h - spans of the last minutes, so that a span's parent from another service is found,
 * whichever of the two comes first: what calls what is learned of it.
 *
 * A child that runs in another process than its parent (a server's or a consumer's span) is matched
 * with it by (tenant, trace, span). What is found out is told as edges "dependant depends on";
 * each edge once in a while only. The journal keeps what was told: this memory may forget at any
 * time, and a replay does not need it.
 *
 * One memory serves all sources: spans of one trace come to any thread. Nobody waits for a lock: an
 * entry is two words that are true only together, so that one which another thread overwrites
 * meanwhile is not there. Of a parent and a child that come at the same moment to two threads at
 * least one finds the other; it may be both, then the edge is told once more.
 *
 * Bounds: three caches of fixed size, in which the oldest of four neighbours gives way, and one of
 * names. Memory: about 16 MiB of its own, touched as it is used. Any thread.
 */
#pragma once

#include "core/base/hash.h"
#include "core/base/limits.h"
#include "core/base/status.h"

struct span_memory;

/* OTLP's Span.SpanKind */
enum span_kind {
    SPAN_KIND_UNSPECIFIED,
    SPAN_KIND_INTERNAL,
    SPAN_KIND_SERVER,
    SPAN_KIND_CLIENT,
    SPAN_KIND_PRODUCER,
    SPAN_KIND_CONSUMER,
};

struct span_note {
    struct slice tenant;
    struct slice entity;
    struct hash128 trace_id;
    uint64_t span_id;
    uint64_t parent_span_id; /* 0: none */
    enum span_kind kind;
};

struct span_edge {
    struct slice dependant;
    struct slice upstream;
};

/* What one span teaches: its parent's edge and its children's. */
struct span_edges {
    struct span_edge items[SPAN_EDGES_MAX];
    uint32_t count;
    char names[SPAN_EDGES_MAX][ENTITY_BYTES_MAX];
};

/* FULL without memory. The seed is a secret: who knows it can make spans collide. */
MUST_CHECK struct status span_memory_open(uint64_t hash_seed, struct span_memory **memory_out);
/* NULL is allowed. */
void span_memory_close(struct span_memory *memory);
/* Remembers the span. The edges found by it; their slices are the note's and edges_out's. */
void span_memory_note(struct span_memory *memory, const struct span_note *note, uint64_t now_ns,
                      struct span_edges *edges_out);
/* Whether the edge was not told within the last refresh_ns; then it counts as told now. */
bool span_memory_tell(struct span_memory *memory, struct slice tenant, struct span_edge edge,
                      uint64_t now_ns, uint64_t refresh_ns);
