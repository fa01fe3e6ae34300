/* heads.c - see heads.h. */
#include "engine/heads.h"

#include "core/base/assert.h"
#include "incident/incident.h"
#include "schemas/envelope.h"
#include "signals/signals.h"

/* An envelope of the shape we write is larger than this. */
#define EVENT_BYTES_MIN 128u
#define BLOCK_HEADS_MAX ((uint32_t)(BLOCK_BYTES_MAX / EVENT_BYTES_MIN))

bool event_is_remembered(enum event_kind kind, uint32_t flags) {
    return kind != EVENT_KIND_METRIC || (flags & ENVELOPE_OWN_EVENT_ID) != 0;
}

/* It is no news, has nothing for the graph, and says nothing that an incident could explain. */
static bool is_quiet(const struct envelope_glance *glance) {
    enum { LOUD = ENVELOPE_REFUSED | ENVELOPE_SIGNAL | ENVELOPE_GOOD | ENVELOPE_LEARNED };
    return (glance->flags & LOUD) == 0 && event_status_news(glance->status) == SIGNAL_NEUTRAL &&
           glance->depends_on_count == 0 && !incident_message_complains(glance->message);
}

/* Good news by which an entity recovers, and nothing else: signal_classify says the same. */
static bool is_well(const struct envelope_glance *glance) {
    enum { LOUD = ENVELOPE_REFUSED | ENVELOPE_SIGNAL | ENVELOPE_LEARNED };
    return (glance->flags & LOUD) == 0 && event_status_news(glance->status) == SIGNAL_GOOD &&
           glance->kind != EVENT_KIND_ALERT && glance->depends_on_count == 0 &&
           signal_recovers_by_news(glance->entity);
}

static uint32_t traits_of(const struct envelope_glance *glance, struct slice tenant_before) {
    uint32_t traits = is_well(glance) ? EVENT_WELL : is_quiet(glance) ? EVENT_QUIET : 0;
    if (traits == 0 || !slice_equals(glance->tenant, tenant_before)) {
        return 0;
    }
    return traits | (event_is_remembered(glance->kind, glance->flags) ? EVENT_REMEMBERED : 0);
}

static struct event_head head_of(struct slice record, struct slice entry, struct slice *tenant) {
    struct event_head head = {.at = (uint32_t)(entry.data - record.data),
                              .size = (uint32_t)entry.size};
    struct envelope_glance glance = {0};
    if (envelope_glance(entry, &glance)) {
        head.traits = traits_of(&glance, *tenant);
        head.event_key = glance.event_key;
        head.entity_key = glance.entity_key;
    }
    *tenant = glance.tenant;
    return head;
}

struct event_heads heads_make(struct slice record, struct batch_view *view,
                              struct event_head *items, uint32_t count_max) {
    uint32_t count = 0;
    struct slice entry;
    struct slice tenant = slice_of(NULL, 0);
    while (batch_next(view, &entry)) {
        if (count == count_max) {
            view->is_broken = true;
            break;
        }
        /* A range of a BATCH_STREAM is no envelope, and begins with no tenant. */
        items[count++] = head_of(record, entry, &tenant);
    }
    return (struct event_heads){items, count};
}

struct status block_heads_init(struct block_heads *block, struct arena *arena) {
    *block = (struct block_heads){.count_max = BLOCK_HEADS_MAX};
    block->items = ARENA_ARRAY(arena, struct event_head, BLOCK_HEADS_MAX);
    return block->items == NULL ? status_of(STATUS_FULL) : status_ok();
}

void block_heads_clear(struct block_heads *block) {
    *block = (struct block_heads){.items = block->items, .count_max = block->count_max};
}

static bool has_events(const struct batch_view *view) {
    return view->kind == BATCH_EVENTS || view->kind == BATCH_STREAM;
}

void block_heads_add(struct block_heads *block, struct slice record) {
    struct batch_view view = {0};
    struct event_heads heads = {0};
    block->is_ended = block->is_ended || !status_is_ok(batch_open(record, &view));
    if (!block->is_ended && has_events(&view)) {
        heads =
            heads_make(record, &view, block->items + block->count, block->count_max - block->count);
        block->is_ended = view.is_broken;
    }
    if (!block->is_ended) {
        block->count += heads.count;
        block->records++;
    }
}

bool block_heads_take(struct block_heads *block, const struct batch_view *view,
                      struct event_heads *heads_out) {
    if (block->taken_records == block->records) {
        return false;
    }
    uint32_t count = has_events(view) ? view->count : 0;
    ASSERT(count <= block->count - block->taken);
    *heads_out = (struct event_heads){block->items + block->taken, count};
    block->taken += count;
    block->taken_records++;
    return true;
}
