/*
 * graph_fold.c - compressed rows of all edges, written into the half that no reader uses, and
 * published. Before a half is written again, a grace period passes (liburcu): the only place where
 * the writer waits, for readers whose visits are bounded.
 *
 * Rows are in the order of their neighbours without any comparison: edges are dealt into in-rows,
 * those in the order of nodes into out-rows, those into in-rows again. The work is cut in steps of
 * FOLD_STEP edges or nodes, one a call: a fold of ten million edges never holds up a batch. Edges
 * that come meanwhile are newer than the fold: they go into the room of its rows at its end. One
 * that goes or comes back meanwhile is flagged in both halves once the fold has it.
 */
#include <urcu/urcu-memb.h>

#include "core/base/assert.h"
#include "graph/graph_internal.h"

/* A newer edge in the room of a row costs a reader little, one that spilled over a cache miss; a
 * fold costs the writer some 6 steps an edge. */
enum {
    OVERLAY_EDGES_MIN = 1024,
    OVERLAY_PARTS = 32,
    FOLD_STEP = 16384,
    FOLD_STEPS_PER_NEW_EDGE = 32,
};

/* ThreadSanitizer does not see into liburcu: it is told that a grace period orders what readers
 * did before what the writer does after. */
#ifdef __SANITIZE_THREAD__
#include <sanitizer/tsan_interface.h>
#define GRACE_TELL(what) __tsan_##what((void *)(uintptr_t)&grace)
static const char grace;
#else
#define GRACE_TELL(what) (void)0
#endif

struct graph_snapshot *graph_folding(struct graph *graph) {
    return &graph->halves[graph->half ^ 1];
}

/* --- Phases: each takes what stands at `at` --- */

typedef void fold_one(struct graph *graph, struct graph_snapshot *half, uint32_t at);

static void clear_node(struct graph *graph, struct graph_snapshot *half, uint32_t at) {
    (void)graph;
    half->in.offsets[at] = 0;
    half->out.offsets[at] = 0;
}

static void count_edge(struct graph *graph, struct graph_snapshot *half, uint32_t at) {
    half->in.offsets[graph_peek(&graph->edges[at].to) + 1]++;
    half->out.offsets[graph_peek(&graph->edges[at].from) + 1]++;
}

static void sum_node(struct graph *graph, struct graph_snapshot *half, uint32_t at) {
    (void)graph;
    half->in.offsets[at + 1] = half->in.offsets[at] + row_length(half->in.offsets[at + 1]);
    half->out.offsets[at + 1] = half->out.offsets[at] + row_length(half->out.offsets[at + 1]);
}

static void place(struct graph_rows *rows, uint32_t node, uint32_t neighbour) {
    atomic_store_explicit(&rows->items[rows->offsets[node]++], neighbour, memory_order_relaxed);
}

static void place_edge(struct graph *graph, struct graph_snapshot *half, uint32_t at) {
    const struct graph_edge *edge = &graph->edges[at];
    place(&half->in, graph_peek(&edge->to), graph_peek(&edge->from));
}

/* Placing has moved the offset from the beginning of the row to the end of its edges. */
static void reset_node(struct graph *graph, const struct graph_rows *rows, uint32_t at) {
    uint32_t begin = at == 0 ? 0 : graph->fold.row;
    uint32_t end = rows->offsets[at];
    graph->fold.row = begin + row_length(end - begin);
    rows->offsets[at] = begin;
    for (; end < graph->fold.row; end++) {
        graph_poke(&rows->items[end], ROW_EMPTY);
    }
}

static void reset_in(struct graph *graph, struct graph_snapshot *half, uint32_t at) {
    reset_node(graph, &half->in, at);
}

static void reset_out(struct graph *graph, struct graph_snapshot *half, uint32_t at) {
    reset_node(graph, &half->out, at);
}

static void deal_row(const struct graph_rows *from, struct graph_rows *to, uint32_t node) {
    uint32_t begin = from->offsets[node];
    uint32_t end = begin + row_count(from, node);
    for (uint32_t i = begin; i < end; i++) {
        place(to, graph_peek(&from->items[i]), node);
    }
}

static void place_out(struct graph *graph, struct graph_snapshot *half, uint32_t at) {
    (void)graph;
    deal_row(&half->in, &half->out, at);
}

static void sort_in(struct graph *graph, struct graph_snapshot *half, uint32_t at) {
    (void)graph;
    deal_row(&half->out, &half->in, at);
}

static void flag_edge(struct graph *graph, struct graph_snapshot *half, uint32_t at) {
    if (atomic_load_explicit(&graph->edges[at].origin, memory_order_relaxed) == 0) {
        graph_flag_edge_in(graph, half, at, true);
    }
}

static void show_edge(struct graph *graph, struct graph_snapshot *half, uint32_t at) {
    graph_show_edge(graph, half, at);
}

static const struct {
    fold_one *one;
    bool is_over_edges;
    bool is_whole_row; /* one of them may be as long as a row */
    uint32_t more;     /* than there are nodes */
} phases[] = {
    [FOLD_CLEAR] = {.one = clear_node, .more = 1},
    [FOLD_COUNT] = {.one = count_edge, .is_over_edges = true},
    [FOLD_SUM] = {.one = sum_node},
    [FOLD_PLACE_IN] = {.one = place_edge, .is_over_edges = true},
    [FOLD_RESET_IN] = {.one = reset_in},
    [FOLD_PLACE_OUT] = {.one = place_out, .is_whole_row = true},
    [FOLD_RESET_OUT] = {.one = reset_out},
    [FOLD_SORT_IN] = {.one = sort_in, .is_whole_row = true},
    [FOLD_RESET_AGAIN] = {.one = reset_in},
    [FOLD_FLAG] = {.one = flag_edge, .is_over_edges = true},
    [FOLD_NEWER] = {.one = show_edge, .is_over_edges = true},
};

/* --- Steps --- */

static void fold_begin(struct graph *graph, uint32_t edges) {
    struct graph_snapshot *half = graph_folding(graph);
    graph_wait_for_readers(); /* readers of that half's last life are done */
    half->nodes = graph_numbers_end(graph);
    half->edges = edges;
    for (uint32_t i = 0; i <= graph->numbers_max / 64; i++) {
        atomic_store_explicit(&half->out.spills[i], 0, memory_order_relaxed);
        atomic_store_explicit(&half->in.spills[i], 0, memory_order_relaxed);
    }
    graph->fold.phase = FOLD_CLEAR;
    graph->fold.at = 0;
}

static void fold_publish(struct graph *graph) {
    struct graph_snapshot *half = graph_folding(graph);
    ASSERT(half->out.offsets[half->nodes] >= half->edges + half->nodes);
    ASSERT(half->in.offsets[half->nodes] >= half->edges + half->nodes);
    atomic_store_explicit(&graph->snapshot, half, memory_order_release);
    graph->half ^= 1;
    graph->fold.phase = FOLD_IDLE;
    graph->fold.published++;
}

/* The offsets of a row of `in`, placed or not, while out-rows are dealt and the other way round. */
static uint64_t row_size(const struct graph_snapshot *half, enum fold_phase phase, uint32_t at) {
    const struct graph_rows *rows = phase == FOLD_PLACE_OUT ? &half->in : &half->out;
    return row_count(rows, at);
}

static uint32_t phase_end(const struct graph *graph, const struct graph_snapshot *half,
                          enum fold_phase phase) {
    if (phase == FOLD_NEWER) {
        return graph_peek(&graph->edges_count);
    }
    return phases[phase].is_over_edges ? half->edges : half->nodes + phases[phase].more;
}

/* Goes on in the phase while budget is left; gives what is left. */
static uint64_t fold_step(struct graph *graph, uint64_t budget) {
    struct graph_snapshot *half = graph_folding(graph);
    enum fold_phase phase = graph->fold.phase;
    fold_one *one = phases[phase].one;
    uint32_t end = phase_end(graph, half, phase);
    uint32_t at = graph->fold.at;
    while (at < end && budget > 0) {
        uint64_t cost = phases[phase].is_whole_row ? 1 + row_size(half, phase, at) : 1;
        one(graph, half, at++);
        budget -= cost < budget ? cost : budget;
    }
    graph->fold.at = at;
    if (at == end) {
        graph->fold.phase = phase + 1;
        graph->fold.at = phase + 1 == FOLD_NEWER ? half->edges : 0;
        if (phase == FOLD_NEWER) {
            fold_publish(graph);
        }
    }
    return budget;
}

static void fold_go_on(struct graph *graph, uint64_t budget) {
    while (graph->fold.phase != FOLD_IDLE && budget > 0) {
        budget = fold_step(graph, budget);
    }
}

void graph_fold(struct graph *graph) {
    uint32_t edges = atomic_load_explicit(&graph->edges_count, memory_order_relaxed);
    uint32_t folded = graph->snapshot->edges;
    ASSERT(folded <= edges && graph->fold.edges_seen <= edges);
    if (graph->fold.phase == FOLD_IDLE && edges - folded >= OVERLAY_EDGES_MIN &&
        edges - folded >= folded / OVERLAY_PARTS) {
        fold_begin(graph, edges);
    }
    /* However many come at once, the fold keeps ahead of them. */
    uint64_t newer = edges - graph->fold.edges_seen;
    graph->fold.edges_seen = edges;
    uint64_t step = graph->options.fold_step > 0 ? graph->options.fold_step : FOLD_STEP;
    fold_go_on(graph, step + newer * FOLD_STEPS_PER_NEW_EDGE);
}

void graph_fold_now(struct graph *graph) {
    uint32_t edges = atomic_load_explicit(&graph->edges_count, memory_order_relaxed);
    fold_go_on(graph, UINT64_MAX);
    if (graph->snapshot->edges < edges) {
        fold_begin(graph, edges);
        fold_go_on(graph, UINT64_MAX);
    }
    graph->fold.edges_seen = edges;
}

uint32_t graph_folds_count(const struct graph *graph) {
    return graph->fold.published;
}

bool graph_fold_has(const struct graph *graph, uint32_t number) {
    const struct graph_snapshot *half = &graph->halves[graph->half ^ 1];
    if (graph->fold.phase == FOLD_NEWER && number < half->edges) {
        return true;
    }
    return graph->fold.phase >= FOLD_FLAG && number < graph->fold.at;
}

const struct graph_snapshot *graph_snapshot_of(const struct graph *graph) {
    return atomic_load_explicit(&graph->snapshot, memory_order_acquire);
}

void graph_wait_for_readers(void) {
    urcu_memb_synchronize_rcu();
    GRACE_TELL(acquire);
}

void graph_reader_register(void) {
    urcu_memb_register_thread();
}

void graph_reader_unregister(void) {
    urcu_memb_unregister_thread();
}

void graph_reader_begin(void) {
    urcu_memb_read_lock();
}

void graph_reader_end(void) {
    GRACE_TELL(release);
    urcu_memb_read_unlock();
}
