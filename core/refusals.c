/* refusals.c - see refusals.h. */
#include "core/refusals.h"

#include "core/audit.h"
#include "core/base/assert.h"
#include "core/base/text.h"
#include "core/operator.h"

enum { DETAIL_BYTES = 256 };

static void on_due(void *context) {
    refusals_flush(context);
}

void refusals_init(struct refusals *refusals, const char *where, struct gate *gate,
                   struct loop *loop) {
    *refusals = (struct refusals){.where = where, .gate = gate, .loop = loop};
    refusals->timer = (struct loop_timer){.on_due = on_due, .context = refusals};
    batch_init(&refusals->batch, refusals->memory, sizeof(refusals->memory));
}

/* The last place is for all that finds none. */
static struct refusal *find(struct refusals *refusals, const struct refusal *wanted) {
    for (uint32_t i = 0; i < refusals->count; i++) {
        struct refusal *item = &refusals->items[i];
        if (strcmp(item->tenant, wanted->tenant) == 0 && strcmp(item->claim, wanted->claim) == 0) {
            return item;
        }
    }
    if (refusals->count == REFUSALS_MAX) {
        return &refusals->items[REFUSALS_MAX - 1];
    }
    struct refusal *item = &refusals->items[refusals->count++];
    *item = *wanted;
    if (refusals->count == REFUSALS_MAX) {
        *item = (struct refusal){.claim = "of others"};
    }
    return item;
}

void refusals_gather(struct refusals *refusals, struct slice tenant, struct slice claim,
                     uint64_t count) {
    struct refusal wanted = {.count = 0};
    struct text tenant_text = text_over(wanted.tenant, sizeof(wanted.tenant));
    struct text claim_text = text_over(wanted.claim, sizeof(wanted.claim));
    text_add_printable(&tenant_text, tenant);
    text_add_printable(&claim_text, claim);
    find(refusals, &wanted)->count += count;
}

void refusals_send_due(struct refusals *refusals) {
    if (refusals->timer.due_ns == 0) {
        refusals_flush(refusals);
    }
}

void refusals_note(struct refusals *refusals, struct slice tenant, struct slice claim) {
    refusals_gather(refusals, tenant, claim, 1);
    refusals_send_due(refusals);
}

static void add_entry(struct refusals *refusals, const struct refusal *item) {
    char memory[DETAIL_BYTES];
    struct text detail = text_over(memory, sizeof(memory));
    text_add_format(&detail, "%llu on the %s port claimed tenant %s",
                    (unsigned long long)item->count, refusals->where, item->claim);
    const struct operator_request line = {.action = OPERATOR_AUDIT,
                                          .incident_id = {.lo = AUDIT_REFUSALS},
                                          .tenant = slice_of_text(item->tenant),
                                          .by = SLICE("a token or certificate of this tenant"),
                                          .note = SLICE("refused"),
                                          .detail = text_slice(&detail)};
    struct writer writer = batch_entry_begin(&refusals->batch);
    operator_encode(&line, &writer);
    ASSERT(!writer.failed);
    batch_entry_commit(&refusals->batch, writer.size);
}

void refusals_flush(struct refusals *refusals) {
    loop_timer_stop(refusals->loop, &refusals->timer);
    if (refusals->count == 0) {
        return;
    }
    loop_timer_start(refusals->loop, &refusals->timer,
                     loop_now_ns(refusals->loop) + REFUSALS_INTERVAL_NS);
    if (refusals->is_out) {
        return;
    }
    batch_clear(&refusals->batch, BATCH_OPERATOR);
    for (uint32_t i = 0; i < refusals->count; i++) {
        add_entry(refusals, &refusals->items[i]);
    }
    (void)batch_finish(&refusals->batch);
    if (status_is_ok(gate_send(refusals->gate, &refusals->batch))) {
        refusals->is_out = true;
        refusals->count = 0;
        memset(refusals->items, 0, sizeof(refusals->items));
    }
}

bool refusals_take_back(struct refusals *refusals, const struct batch *batch) {
    bool is_ours = batch == &refusals->batch;
    refusals->is_out = refusals->is_out && !is_ours;
    return is_ours;
}
