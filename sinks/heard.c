/* heard.c - see heard.h. */
#include "sinks/heard.h"

/* LMDB takes no longer key; of a sink with such a name nothing is noted. */
enum { HEARD_KEY_BYTES_MAX = 500 };

/* What is committed: false when nothing is. */
static bool find_heard(struct store_snapshot *snapshot, const struct outbox_message *message,
                       uint32_t *version_out) {
    uint8_t bytes[HEARD_KEY_BYTES_MAX];
    struct writer key = writer_over(bytes, sizeof(bytes));
    struct slice value;
    outbox_heard_key(message->incident_id, message->sink, &key);
    if (key.failed ||
        !status_is_ok(store_get(snapshot, STORE_TABLE_MEMORY, writer_slice(&key), &value))) {
        return false;
    }
    struct reader reader = reader_over(value);
    *version_out = reader_u32(&reader);
    return true;
}

bool heard_is_newer(const struct sink_host *host, struct store_snapshot *snapshot,
                    const struct outbox_message *message) {
    uint32_t version = 0;
    if (!message->is_again || host->type->keeps_history) {
        return false;
    }
    return sink_memory_heard(&host->memory, message->incident_id) > message->incident_version ||
           (find_heard(snapshot, message, &version) && version > message->incident_version);
}

bool heard_is_nothing(const struct sink_host *host, struct store_snapshot *snapshot,
                      const struct outbox_message *message) {
    uint32_t version = 0;
    if (message->type != OUTBOX_UPDATED || host->type->keeps_history) {
        return false;
    }
    return sink_memory_is_unheard(&host->memory, message->incident_id) ||
           (sink_memory_heard(&host->memory, message->incident_id) == 0 &&
            find_heard(snapshot, message, &version) && version == 0);
}

void heard_note(struct sink_host *host, const struct queued_message *message) {
    if (host->result == OUTBOX_DELIVERED) {
        sink_memory_note_heard(&host->memory, message->incident, message->version);
    } else if (host->result == OUTBOX_DEAD && message->type == OUTBOX_OPENED) {
        sink_memory_note_heard(&host->memory, message->incident, 0);
    }
}
