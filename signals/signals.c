/* signals.c - see signals.h. */
#include "signals/signals.h"

#include "core/base/assert.h"

static bool has_kind(struct slice entity, struct slice kind) {
    return slice_starts_with(entity, kind);
}

/* Only what runs once and says how it ended can say that it is well again. */
static bool recovers_by_news(struct slice entity) {
    return has_kind(entity, SLICE("job:")) || has_kind(entity, SLICE("dataset:")) ||
           has_kind(entity, SLICE("check:"));
}

struct signal signal_classify(const struct envelope *envelope) {
    ASSERT(envelope->status < EVENT_STATUS_COUNT);
    bool by_news = recovers_by_news(envelope->entity);
    enum signal_news news = event_status_news(envelope->status);
    if (news == SIGNAL_GOOD && !by_news) {
        news = SIGNAL_NEUTRAL; /* one served request does not end a service's trouble */
    }
    return (struct signal){
        .news = news,
        .status = envelope->status,
        .severity = envelope->severity,
        .kind = envelope->kind,
        /* An alert is repeated while it fires: when nobody repeats it, it is over. */
        .recovers_by_silence = !by_news || envelope->kind == EVENT_KIND_ALERT,
        .has_score = (envelope->flags & ENVELOPE_HAS_SCORE) != 0,
        .score = envelope->score,
        .event_time_ns = envelope->event_time_ns,
        .fingerprint = envelope->fingerprint,
        .entity_key = envelope->entity_key,
        .trace_id = envelope->trace_id,
        .tenant = envelope->tenant,
        .entity = envelope->entity,
        .error_class = envelope->error_class,
        .message = envelope->message,
    };
}
