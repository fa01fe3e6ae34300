/* source_board.c - see source_board.h. */
#include "core/source_board.h"

#include "core/base/assert.h"

void source_board_init(struct source_board *board) {
    board->first = NULL;
    ASSERT(pthread_mutex_init(&board->lock, NULL) == 0);
}

void source_board_lock(struct source_board *board) {
    ASSERT(pthread_mutex_lock(&board->lock) == 0);
}

void source_board_unlock(struct source_board *board) {
    ASSERT(pthread_mutex_unlock(&board->lock) == 0);
}

void source_board_add(struct source_board *board, struct source_entry *entry) {
    source_board_lock(board);
    struct source_entry **at = &board->first;
    while (*at != NULL) {
        at = &(*at)->next;
    }
    entry->next = NULL;
    *at = entry;
    source_board_unlock(board);
}

void source_board_remove(struct source_board *board, struct source_entry *entry) {
    source_board_lock(board);
    struct source_entry **at = &board->first;
    while (*at != NULL && *at != entry) {
        at = &(*at)->next;
    }
    if (*at != NULL) {
        *at = entry->next;
    }
    source_board_unlock(board);
}

bool source_board_add_ready(struct source_board *board, bool is_brief, struct text *text) {
    bool is_ready = true;
    source_board_lock(board);
    for (const struct source_entry *entry = board->first; entry != NULL; entry = entry->next) {
        is_ready = is_ready && entry->is_connected;
        if (text == NULL || (is_brief && entry->is_connected)) {
            continue;
        }
        if (entry->is_connected) {
            text_add_format(text, "[+] kafka %.*s connected\n", SLICE_PRINT(entry->name));
            continue;
        }
        text_add_format(text, "%skafka %.*s not connected", is_brief ? "not ready: " : "[-] ",
                        SLICE_PRINT(entry->name));
        text_add_text(text, entry->words[0] == 0 ? "" : ": ");
        text_add_printable(text, slice_of_text(entry->words));
        text_add_char(text, '\n');
    }
    source_board_unlock(board);
    return is_ready;
}

static void add_sample(struct text *text, const char *metric, const struct source_entry *entry,
                       const struct source_partition *partition, uint64_t value) {
    text_add_format(text, "%s{", metric);
    text_add_label(text, "source", entry->name);
    if (partition != NULL) {
        text_add_char(text, ',');
        text_add_label(text, "topic", partition->topic);
        text_add_format(text, ",partition=\"%u\"", partition->partition);
    }
    text_add_text(text, "} ");
    text_add_u64(text, value);
    text_add_char(text, '\n');
}

static void add_partitions(struct text *text, const struct source_board *board, const char *metric,
                           bool is_lag) {
    for (const struct source_entry *entry = board->first; entry != NULL; entry = entry->next) {
        for (uint32_t i = 0; i < entry->partitions_count; i++) {
            const struct source_partition *partition = &entry->partitions[i];
            add_sample(text, metric, entry, partition, is_lag ? partition->lag : partition->offset);
        }
    }
}

void source_board_add_prometheus(struct source_board *board, struct text *text) {
    source_board_lock(board);
    if (board->first != NULL) {
        text_add_text(text, "# HELP quell_kafka_connected 1 when a broker of the cluster answers\n"
                            "# TYPE quell_kafka_connected gauge\n");
        for (const struct source_entry *entry = board->first; entry != NULL; entry = entry->next) {
            add_sample(text, "quell_kafka_connected", entry, NULL, entry->is_connected ? 1 : 0);
        }
        text_add_text(text, "# HELP quell_kafka_lag Messages not yet in the journal\n"
                            "# TYPE quell_kafka_lag gauge\n");
        add_partitions(text, board, "quell_kafka_lag", true);
        text_add_text(text, "# HELP quell_kafka_offset Messages below it are in the journal\n"
                            "# TYPE quell_kafka_offset gauge\n");
        add_partitions(text, board, "quell_kafka_offset", false);
    }
    source_board_unlock(board);
}
