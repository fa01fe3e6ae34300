/* journal_spare.c - see journal_spare.h. */
#include "core/journal_spare.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/base/assert.h"
#include "core/worker.h"

enum spare_state { SPARE_NONE, SPARE_MAKING, SPARE_READY, SPARE_PUBLISHING };

struct journal_spare {
    char directory[JOURNAL_PATH_BYTES_MAX];
    char path[JOURNAL_PATH_BYTES_MAX + 16];
    int directory_fd; /* held: too many clients leave none for naming a segment */
    uint64_t size_bytes;
    void (*on_done)(void *context);
    void *context;
    struct worker *worker;
    bool is_publishing;     /* what the worker is, or was, busy with */
    enum spare_state state; /* this and what follows: the worker's while it is busy */
    struct journal_segment segment;
    struct status published;
};

/* --- The thread --- */

static enum spare_state make(struct journal_spare *spare) {
    struct fault fault = {{0}};
    struct journal_segment *segment = &spare->segment;
    segment->fd = -1; /* of the one before, which is the journal's now */
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

static enum spare_state publish(struct journal_spare *spare) {
    struct fault fault = {{0}};
    spare->published = journal_segment_publish(&spare->segment, spare->path, spare->directory,
                                               spare->directory_fd, &fault);
    return SPARE_NONE;
}

static void work(void *context) {
    struct journal_spare *spare = context;
    spare->state = spare->state == SPARE_PUBLISHING ? publish(spare) : make(spare);
}

static void tell(void *context) {
    struct journal_spare *spare = context;
    spare->on_done(spare->context);
}

/* --- The journal's side --- */

struct status journal_spare_open(const char *directory, uint64_t size_bytes,
                                 void (*on_done)(void *context), void *context,
                                 struct journal_spare **spare_out) {
    struct journal_spare *spare = calloc(1, sizeof(*spare));
    if (spare == NULL) {
        return status_of(STATUS_FULL);
    }
    spare->size_bytes = size_bytes;
    spare->on_done = on_done;
    spare->context = context;
    spare->segment.fd = -1;
    spare->published = status_ok();
    (void)snprintf(spare->directory, sizeof(spare->directory), "%s", directory);
    (void)snprintf(spare->path, sizeof(spare->path), "%s/spare.new", directory);
    (void)file_remove(NULL, spare->path); /* of a process that ended before it was needed */
    const struct worker_options options = {.work = work, .on_done = tell, .context = spare};
    spare->directory_fd = file_open(NULL, directory, O_RDONLY | O_DIRECTORY);
    if (spare->directory_fd < 0 || !status_is_ok(worker_open(&options, &spare->worker))) {
        journal_spare_close(spare);
        return status_of(STATUS_FULL);
    }
    *spare_out = spare;
    return status_ok();
}

void journal_spare_close(struct journal_spare *spare) {
    if (spare == NULL) {
        return;
    }
    worker_close(spare->worker);
    if (spare->state == SPARE_READY) {
        journal_segment_close(&spare->segment);
        (void)file_remove(NULL, spare->path);
    }
    if (spare->directory_fd >= 0) {
        file_close(NULL, spare->directory_fd);
    }
    free(spare);
}

static bool rests_in(const struct journal_spare *spare, enum spare_state state) {
    return !worker_is_busy(spare->worker) && spare->state == state;
}

void journal_spare_prepare(struct journal_spare *spare) {
    if (rests_in(spare, SPARE_NONE)) {
        spare->state = SPARE_MAKING;
        spare->is_publishing = false;
        worker_submit(spare->worker);
    }
}

bool journal_spare_take(struct journal_spare *spare, uint64_t first_seq, uint64_t salt,
                        struct journal_segment *segment_out) {
    if (!rests_in(spare, SPARE_READY)) {
        return false;
    }
    spare->segment.first_seq = first_seq;
    spare->segment.salt = salt;
    *segment_out = spare->segment;
    spare->state = SPARE_PUBLISHING;
    spare->is_publishing = true;
    worker_submit(spare->worker);
    return true;
}

bool journal_spare_is_publishing(struct journal_spare *spare) {
    spare->is_publishing = spare->is_publishing && worker_is_busy(spare->worker);
    return spare->is_publishing;
}

struct status journal_spare_published(struct journal_spare *spare) {
    ASSERT(!journal_spare_is_publishing(spare));
    return spare->published;
}
