/*
 * source_board.h - what sources that read by themselves (Kafka) show the console: connected or why
 * not, and how far behind each partition is.
 *
 * Numbers for people, written about every second. Memory: each source's own, linked in while it
 * lives. Thread: any, under one lock.
 */
#pragma once

#include <pthread.h>

#include "core/base/text.h"

enum { SOURCE_WORDS_BYTES_MAX = 256 };

struct source_partition {
    struct slice topic; /* lives as long as the entry is shown */
    uint32_t partition;
    uint64_t offset; /* what is below is durable here */
    uint64_t lag;    /* messages behind it */
};

struct source_entry {
    struct slice name;
    bool is_connected;
    char words[SOURCE_WORDS_BYTES_MAX]; /* the latest trouble, or empty */
    struct source_partition *partitions;
    uint32_t partitions_count;
    uint32_t partitions_max;
    struct source_entry *next;
};

struct source_board {
    pthread_mutex_t lock;
    struct source_entry *first;
};

/* Empty; entries are the callers' own. */
void source_board_init(struct source_board *board);
/* Shows an entry of the caller's; its name, and the room for partitions, are set. */
void source_board_add(struct source_board *board, struct source_entry *entry);
void source_board_remove(struct source_board *board, struct source_entry *entry);
/* Around every change of an entry that is shown. */
void source_board_lock(struct source_board *board);
void source_board_unlock(struct source_board *board);

/* Whether all sources are connected; adds a line for each ("[+] kafka main connected\n"), or with
 * is_brief only for those that are not. `text` may be NULL. */
bool source_board_add_ready(struct source_board *board, bool is_brief, struct text *text);
/* quell_kafka_lag{source,topic,partition} and the like, in the Prometheus text format. */
void source_board_add_prometheus(struct source_board *board, struct text *text);
