/* heard.c - see heard.h. */
#include "sinks/heard.h"

/* LMDB takes no longer key; of a sink with such a name nothing is noted. */
enum { HEARD_KEY_BYTES_MAX = 500 };

/* What is committed: false when nothing is. */
static bool find_heard(struct store_snapshot *snapshot, const struct outbox_message *message,
                       struct sink_heard *heard_out) {
    uint8_t bytes[HEARD_KEY_BYTES_MAX];
    struct writer key = writer_over(bytes, sizeof(bytes));
    struct slice value;
    outbox_heard_key(message->incident_id, message->sink, &key);
    if (key.failed ||
        !status_is_ok(store_get(snapshot, STORE_TABLE_MEMORY, writer_slice(&key), &value))) {
        return false;
    }
    struct reader reader = reader_over(value);
    *heard_out = (struct sink_heard){.incident = message->incident_id};
    heard_out->version = reader_u32(&reader);
    heard_out->is_end = reader_left(&reader) > 0 && reader_u8(&reader) != 0; /* older rows: none */
    return true;
}

bool heard_is_newer(const struct sink_host *host, struct store_snapshot *snapshot,
                    const struct outbox_message *message) {
    struct sink_heard known;
    if (!message->is_again || host->type->keeps_history) {
        return false;
    }
    uint32_t version = sink_memory_heard(&host->memory, message->incident_id).version;
    return version > message->incident_version ||
           (find_heard(snapshot, message, &known) && known.version > message->incident_version);
}

bool heard_is_end(const struct sink_host *host, struct store_snapshot *snapshot,
                  const struct outbox_message *message) {
    struct sink_heard known;
    if (message->type != OUTBOX_RESOLVED || message->is_again || host->type->keeps_history) {
        return false; /* an operator who sends it out again knows what he does */
    }
    struct sink_heard latest = sink_memory_heard(&host->memory, message->incident_id);
    if (find_heard(snapshot, message, &known) && known.version > latest.version) {
        latest = known;
    }
    return latest.is_end;
}

bool heard_is_nothing(const struct sink_host *host, struct store_snapshot *snapshot,
                      const struct outbox_message *message) {
    struct sink_heard known;
    if (message->type != OUTBOX_UPDATED || host->type->keeps_history) {
        return false;
    }
    return sink_memory_is_unheard(&host->memory, message->incident_id) ||
           (sink_memory_heard(&host->memory, message->incident_id).version == 0 &&
            find_heard(snapshot, message, &known) && known.version == 0);
}

void heard_note(struct sink_host *host, const struct queued_message *message) {
    if (host->result == OUTBOX_DELIVERED) {
        sink_memory_note_heard(&host->memory, message->incident, message->version,
                               message->type == OUTBOX_RESOLVED);
    } else if (host->result == OUTBOX_DEAD && message->type == OUTBOX_OPENED) {
        sink_memory_note_heard(&host->memory, message->incident, 0, false);
    }
}
