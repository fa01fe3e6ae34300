/* store_writer.c - see store_writer.h. A transaction of LMDB belongs to a thread: begun and ended
 * by the same one, so the one that works closes too. */
#include "core/store_writer.h"

#include <stdlib.h>

#include "core/base/assert.h"
#include "core/worker.h"

struct store_writer {
    struct store *store;
    bool is_writing; /* a transaction is open */
    struct status result;
    struct fault fault;
    const struct effects *effects;
    bool commits;

    struct worker *worker; /* NULL: work is done in the owner's thread */
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

static void work(void *context) {
    struct store_writer *writer = context;
    writer->result = write_piece(writer);
    if (!status_is_ok(writer->result)) {
        abandon(writer);
    }
}

/* --- In the thread --- */

static void tell(void *context) {
    struct store_writer *writer = context;
    writer->on_done(writer->context);
}

static void end(void *context) {
    abandon(context);
}

/* --- The owner's side --- */

struct status store_writer_open(struct store *store, struct store_writer **writer_out) {
    struct store_writer *writer = calloc(1, sizeof(*writer));
    if (writer == NULL) {
        return status_of(STATUS_FULL);
    }
    writer->store = store;
    writer->result = status_ok();
    *writer_out = writer;
    return status_ok();
}

struct status store_writer_start(struct store_writer *writer, void (*on_done)(void *context),
                                 void *context) {
    ASSERT(writer->worker == NULL && !writer->is_writing);
    writer->on_done = on_done;
    writer->context = context;
    const struct worker_options options = {
        .work = work, .on_done = tell, .on_end = end, .context = writer};
    return worker_open(&options, &writer->worker);
}

void store_writer_close(struct store_writer *writer) {
    if (writer == NULL) {
        return;
    }
    worker_close(writer->worker);
    abandon(writer);
    free(writer);
}

void store_writer_submit(struct store_writer *writer, const struct effects *effects, bool commits) {
    ASSERT(!store_writer_is_busy(writer));
    writer->effects = effects;
    writer->commits = commits;
    if (writer->worker != NULL) {
        worker_submit(writer->worker);
    } else {
        work(writer);
    }
}

bool store_writer_is_busy(const struct store_writer *writer) {
    return writer->worker != NULL && worker_is_busy(writer->worker);
}

struct status store_writer_wait(struct store_writer *writer, struct fault *fault) {
    if (writer->worker != NULL) {
        worker_wait(writer->worker);
    }
    if (!status_is_ok(writer->result) && fault != NULL) {
        *fault = writer->fault;
    }
    return writer->result;
}
