/* signals.c - see signals.h. */
#include "signals/signals.h"

#include "core/base/assert.h"
#include "core/base/text.h"

static bool has_kind(struct slice entity, struct slice kind) {
    return slice_starts_with(entity, kind);
}

/* Only what runs once and says how it ended can say that it is well again. */
bool signal_recovers_by_news(struct slice entity) {
    return has_kind(entity, SLICE("job:")) || has_kind(entity, SLICE("dataset:")) ||
           has_kind(entity, SLICE("check:"));
}

/* An alert's event id begins with "alert:" and 16 hex digits of its labels (ingest/alerts.c). */
static uint64_t source_key_of(const struct envelope *envelope) {
    enum { LABELS_END = 6 + 16 };
    return envelope->kind == EVENT_KIND_ALERT
               ? hash64_of(slice_head(envelope->event_id, LABELS_END), 0)
               : 0;
}

/* "alert:<labels>:<startsAt>:<endsAt>:<slot>", as source_key_of. */
static uint64_t fires_until_of(const struct envelope *envelope) {
    struct slice rest = envelope->kind == EVENT_KIND_ALERT ? envelope->event_id : slice_of(NULL, 0);
    uint64_t until_ns = 0;
    for (int i = 0; i < 3; i++) {
        rest = slice_tail(rest, slice_find_byte(rest, ':') + 1);
    }
    return status_is_ok(text_parse_u64(slice_head(rest, slice_find_byte(rest, ':')), &until_ns))
               ? until_ns
               : 0;
}

/* How bad it is says who wrote an alert's rule. Of others the status says it: a job may well tell
 * of its failure at level "info". Yet an alert that is mild says nothing of an error beside it, and
 * two warnings are none. */
static enum event_severity severity_of(const struct envelope *envelope) {
    if (envelope->kind == EVENT_KIND_ALERT || envelope->severity == EVENT_SEVERITY_CRITICAL) {
        return envelope->severity;
    }
    if (event_status_news(envelope->status) != SIGNAL_BAD) {
        return EVENT_SEVERITY_NONE;
    }
    bool is_mild = envelope->status == EVENT_STATUS_LATE ||
                   envelope->status == EVENT_STATUS_MISSED ||
                   envelope->status == EVENT_STATUS_DEGRADED;
    return is_mild ? EVENT_SEVERITY_WARNING : EVENT_SEVERITY_ERROR;
}

struct signal signal_classify(const struct envelope *envelope) {
    ASSERT(envelope->status < EVENT_STATUS_COUNT);
    bool by_news = signal_recovers_by_news(envelope->entity);
    enum signal_news news = event_status_news(envelope->status);
    bool is_alert = envelope->kind == EVENT_KIND_ALERT;
    if (news == SIGNAL_GOOD && !by_news && !is_alert) {
        news = SIGNAL_NEUTRAL; /* one served request does not end a service's trouble */
    }
    return (struct signal){
        .news = news,
        .status = envelope->status,
        .severity = severity_of(envelope),
        .kind = envelope->kind,
        /* An alert is repeated while it fires: when nobody repeats it, it is over. */
        .recovers_by_silence = !by_news || is_alert,
        .is_own_word_only = news == SIGNAL_GOOD && (!by_news || is_alert),
        .fires_until_ns = fires_until_of(envelope),
        .source_key = source_key_of(envelope),
        .has_score = (envelope->flags & ENVELOPE_HAS_SCORE) != 0,
        .score = envelope->score,
        .event_time_ns = envelope->event_time_ns,
        .heard_ns = envelope->event_time_ns < envelope->ingest_time_ns ? envelope->event_time_ns
                                                                       : envelope->ingest_time_ns,
        .fingerprint = envelope->fingerprint,
        .entity_key = envelope->entity_key,
        .trace_id = envelope->trace_id,
        .tenant = envelope->tenant,
        .entity = envelope->entity,
        .error_class = envelope->error_class,
        .message = envelope->message,
    };
}
