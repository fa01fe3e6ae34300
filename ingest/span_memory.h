/*
 * span_memory.h - spans of the last minutes, so that a span's parent from another service is found,
 * whichever of the two comes first: what calls what is learned of it.
 *
 * A child that runs in another process than its parent (a server's or a consumer's span) is matched
 * with it by (tenant, trace, span). What is found out is told as edges "dependant depends on";
 * each edge once in a while only. The journal keeps what was told: this memory may forget at any
 * time, and a replay does not need it.
 *
 * Bounds: three caches of fixed size, in which the oldest of four neighbours gives way; when the
 * names are full, all is forgotten and learned anew. Memory: about 14 MiB of an arena, touched as
 * it is used. Thread: one at a time.
 */
#pragma once

#include "core/base/arena.h"
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

/* FULL when the arena is. The seed is a secret: who knows it can make spans collide. */
MUST_CHECK struct status span_memory_init(struct span_memory **memory_out, struct arena *arena,
                                          uint64_t hash_seed);
/* Remembers the span. The edges found by it, at most SPAN_EDGES_MAX; their slices live until the
 * next call. */
uint32_t span_memory_note(struct span_memory *memory, const struct span_note *note, uint64_t now_ns,
                          struct span_edge edges_out[SPAN_EDGES_MAX]);
/* Whether the edge was not told within the last refresh_ns; then it counts as told now. */
bool span_memory_tell(struct span_memory *memory, struct slice tenant, struct span_edge edge,
                      uint64_t now_ns, uint64_t refresh_ns);
