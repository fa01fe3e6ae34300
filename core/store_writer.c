/* store_writer.c - see store_writer.h. A transaction of LMDB belongs to a thread: begun and ended
 * by the same one, so the one that works closes too. */
#include "core/store_writer.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "core/base/assert.h"

struct store_writer {
    struct store *store;
    bool is_writing; /* a transaction is open */
    struct status result;
    struct fault fault;
    const struct effects *effects;
    bool commits;

    bool has_thread;
    pthread_t thread;
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    atomic_bool is_busy;
    bool is_ending;
    void (*on_done)(void *context);
    void *context;
};

/* --- The work --- */

static struct status write_rows(struct store_writer *writer) {
    struct fault *fault = &writer->fault;
    if (!writer->is_writing) {
        TRY(store_begin(writer->store, fault));
        writer->is_writing = true;
    }
    struct effects_cursor cursor = effects_begin(writer->effects);
    struct effect effect;
    while (effects_next(&cursor, &effect)) {
        TRY(effect.kind == EFFECT_DELETE
                ? store_delete(writer->store, effect.table, effect.key, fault)
                : store_put(writer->store, effect.table, effect.key, effect.value, fault));
    }
    return status_ok();
}

static void abandon(struct store_writer *writer) {
    if (writer->is_writing) {
        store_abort(writer->store);
        writer->is_writing = false;
    }
}

static struct status write_piece(struct store_writer *writer) {
    TRY(writer->result); /* what a failed piece should have written is missing */
    TRY(write_rows(writer));
    if (!writer->commits) {
        return status_ok();
    }
    writer->is_writing = false;
    return store_commit(writer->store, &writer->fault);
}

static void work(struct store_writer *writer) {
    writer->result = write_piece(writer);
    if (!status_is_ok(writer->result)) {
        abandon(writer);
    }
}

/* --- The thread --- */

static bool wait_for_work(struct store_writer *writer) {
    ASSERT(pthread_mutex_lock(&writer->mutex) == 0);
    while (!atomic_load(&writer->is_busy) && !writer->is_ending) {
        ASSERT(pthread_cond_wait(&writer->changed, &writer->mutex) == 0);
    }
    bool has_work = atomic_load(&writer->is_busy);
    ASSERT(pthread_mutex_unlock(&writer->mutex) == 0);
    return has_work;
}

static void end_work(struct store_writer *writer) {
    ASSERT(pthread_mutex_lock(&writer->mutex) == 0);
    atomic_store(&writer->is_busy, false);
    ASSERT(pthread_cond_broadcast(&writer->changed) == 0);
    ASSERT(pthread_mutex_unlock(&writer->mutex) == 0);
    writer->on_done(writer->context);
}

static void *run(void *context) {
    struct store_writer *writer = context;
    while (wait_for_work(writer)) {
        work(writer);
        end_work(writer);
    }
    abandon(writer);
    return NULL;
}

/* --- The owner's side --- */

struct status store_writer_open(struct store *store, struct store_writer **writer_out) {
    struct store_writer *writer = calloc(1, sizeof(*writer));
    if (writer == NULL) {
        return status_of(STATUS_FULL);
    }
    writer->store = store;
    writer->result = status_ok();
    ASSERT(pthread_mutex_init(&writer->mutex, NULL) == 0);
    ASSERT(pthread_cond_init(&writer->changed, NULL) == 0);
    *writer_out = writer;
    return status_ok();
}

struct status store_writer_start(struct store_writer *writer, void (*on_done)(void *context),
                                 void *context) {
    ASSERT(!writer->has_thread && !writer->is_writing);
    writer->on_done = on_done;
    writer->context = context;
    writer->has_thread = pthread_create(&writer->thread, NULL, run, writer) == 0;
    return writer->has_thread ? status_ok() : status_of(STATUS_FULL);
}

static void end_thread(struct store_writer *writer) {
    ASSERT(pthread_mutex_lock(&writer->mutex) == 0);
    writer->is_ending = true;
    ASSERT(pthread_cond_broadcast(&writer->changed) == 0);
    ASSERT(pthread_mutex_unlock(&writer->mutex) == 0);
    ASSERT(pthread_join(writer->thread, NULL) == 0);
}

void store_writer_close(struct store_writer *writer) {
    if (writer == NULL) {
        return;
    }
    if (writer->has_thread) {
        end_thread(writer);
    }
    abandon(writer);
    ASSERT(pthread_cond_destroy(&writer->changed) == 0);
    ASSERT(pthread_mutex_destroy(&writer->mutex) == 0);
    free(writer);
}

void store_writer_submit(struct store_writer *writer, const struct effects *effects, bool commits) {
    ASSERT(!atomic_load(&writer->is_busy));
    writer->effects = effects;
    writer->commits = commits;
    if (!writer->has_thread) {
        work(writer);
        return;
    }
    ASSERT(pthread_mutex_lock(&writer->mutex) == 0);
    atomic_store(&writer->is_busy, true);
    ASSERT(pthread_cond_broadcast(&writer->changed) == 0);
    ASSERT(pthread_mutex_unlock(&writer->mutex) == 0);
}

bool store_writer_is_busy(const struct store_writer *writer) {
    return atomic_load(&writer->is_busy);
}

struct status store_writer_wait(struct store_writer *writer, struct fault *fault) {
    ASSERT(pthread_mutex_lock(&writer->mutex) == 0);
    while (atomic_load(&writer->is_busy)) {
        ASSERT(pthread_cond_wait(&writer->changed, &writer->mutex) == 0);
    }
    ASSERT(pthread_mutex_unlock(&writer->mutex) == 0);
    if (!status_is_ok(writer->result) && fault != NULL) {
        *fault = writer->fault;
    }
    return writer->result;
}
