/* journal_spare.c - see journal_spare.h. */
#include "core/journal_spare.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/base/assert.h"

enum spare_state { SPARE_NONE, SPARE_MAKING, SPARE_READY, SPARE_PUBLISHING };

struct journal_spare {
    char directory[JOURNAL_PATH_BYTES_MAX];
    char path[JOURNAL_PATH_BYTES_MAX + 16];
    uint64_t size_bytes;
    void (*on_published)(void *context);
    void *context;
    pthread_t thread;
    pthread_mutex_t mutex; /* of what follows */
    pthread_cond_t changed;
    enum spare_state state;
    bool is_ending;
    struct journal_segment segment;
    struct status published;
};

static void lock(struct journal_spare *spare) {
    ASSERT(pthread_mutex_lock(&spare->mutex) == 0);
}

static void unlock(struct journal_spare *spare) {
    ASSERT(pthread_mutex_unlock(&spare->mutex) == 0);
}

static void set_state(struct journal_spare *spare, enum spare_state state) {
    lock(spare);
    spare->state = state;
    ASSERT(pthread_cond_broadcast(&spare->changed) == 0);
    unlock(spare);
}

/* --- The thread: while it makes or publishes, the segment is its own --- */

static enum spare_state make(struct journal_spare *spare) {
    struct fault fault = {{0}};
    struct journal_segment *segment = &spare->segment;
    (void)file_remove(NULL, spare->path);
    struct status status =
        journal_segment_allocate(NULL, spare->path, spare->size_bytes, segment, &fault);
    if (status_is_ok(status) && file_sync(NULL, segment->fd) == 0) {
        return SPARE_READY;
    }
    journal_segment_close(segment);
    (void)file_remove(NULL, spare->path);
    return SPARE_NONE;
}

static void publish(struct journal_spare *spare) {
    struct fault fault = {{0}};
    spare->published =
        journal_segment_publish(&spare->segment, spare->path, spare->directory, &fault);
    set_state(spare, SPARE_NONE);
    spare->on_published(spare->context);
}

static enum spare_state wait_for_work(struct journal_spare *spare) {
    lock(spare);
    while (!spare->is_ending && spare->state != SPARE_MAKING && spare->state != SPARE_PUBLISHING) {
        ASSERT(pthread_cond_wait(&spare->changed, &spare->mutex) == 0);
    }
    enum spare_state state = spare->state;
    unlock(spare);
    return state;
}

static void *run(void *context) {
    struct journal_spare *spare = context;
    for (;;) {
        enum spare_state state = wait_for_work(spare);
        if (state == SPARE_PUBLISHING) {
            publish(spare);
        } else if (state == SPARE_MAKING) {
            set_state(spare, make(spare));
        } else {
            return NULL; /* nothing to do, so it was told to end */
        }
    }
}

/* --- The journal's side --- */

struct status journal_spare_open(const char *directory, uint64_t size_bytes,
                                 void (*on_published)(void *context), void *context,
                                 struct journal_spare **spare_out) {
    struct journal_spare *spare = calloc(1, sizeof(*spare));
    if (spare == NULL) {
        return status_of(STATUS_FULL);
    }
    spare->size_bytes = size_bytes;
    spare->on_published = on_published;
    spare->context = context;
    spare->segment.fd = -1;
    spare->published = status_ok();
    (void)snprintf(spare->directory, sizeof(spare->directory), "%s", directory);
    (void)snprintf(spare->path, sizeof(spare->path), "%s/spare.new", directory);
    (void)file_remove(NULL, spare->path); /* of a process that ended before it was needed */
    ASSERT(pthread_mutex_init(&spare->mutex, NULL) == 0);
    ASSERT(pthread_cond_init(&spare->changed, NULL) == 0);
    if (pthread_create(&spare->thread, NULL, run, spare) != 0) {
        free(spare);
        return status_of(STATUS_FULL);
    }
    *spare_out = spare;
    return status_ok();
}

void journal_spare_close(struct journal_spare *spare) {
    if (spare == NULL) {
        return;
    }
    lock(spare);
    spare->is_ending = true;
    ASSERT(pthread_cond_broadcast(&spare->changed) == 0);
    unlock(spare);
    ASSERT(pthread_join(spare->thread, NULL) == 0);
    if (spare->state == SPARE_READY) {
        journal_segment_close(&spare->segment);
        (void)file_remove(NULL, spare->path);
    }
    ASSERT(pthread_cond_destroy(&spare->changed) == 0);
    ASSERT(pthread_mutex_destroy(&spare->mutex) == 0);
    free(spare);
}

static bool is_in(struct journal_spare *spare, enum spare_state state) {
    lock(spare);
    bool is = spare->state == state;
    unlock(spare);
    return is;
}

void journal_spare_prepare(struct journal_spare *spare) {
    if (is_in(spare, SPARE_NONE)) {
        set_state(spare, SPARE_MAKING);
    }
}

bool journal_spare_take(struct journal_spare *spare, uint64_t first_seq, uint64_t salt,
                        struct journal_segment *segment_out) {
    if (!is_in(spare, SPARE_READY)) {
        return false;
    }
    spare->segment.first_seq = first_seq;
    spare->segment.salt = salt;
    *segment_out = spare->segment;
    set_state(spare, SPARE_PUBLISHING);
    return true;
}

bool journal_spare_is_publishing(struct journal_spare *spare) {
    return is_in(spare, SPARE_PUBLISHING);
}

struct status journal_spare_published(struct journal_spare *spare) {
    ASSERT(!journal_spare_is_publishing(spare));
    return spare->published;
}
