/* journal_ahead.c - see journal_ahead.h. */
#include "core/journal_ahead.h"

#include <linux/magic.h>
#include <sys/mman.h>
#include <sys/vfs.h>

#include "core/base/assert.h"

enum {
    CHUNK_BYTES = 256 * 1024,
    LOW_BYTES = CHUNK_BYTES / 2, /* so many ahead, or more are written */
    GAP_BYTES = 64 * 1024,       /* for the blocks that come while the first are written */
    SMALL_BLOCK_BYTES_MAX = 32 * 1024,
};
static_assert(CHUNK_BYTES % BLOCK_ALIGN_BYTES == 0 && GAP_BYTES % BLOCK_ALIGN_BYTES == 0,
              "written directly");

/* Never written to: one page of zeroes, seen many times. */
void journal_ahead_init(struct journal_ahead *ahead, struct loop *loop) {
    void *zeroes = mmap(NULL, CHUNK_BYTES, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    *ahead = (struct journal_ahead){.loop = loop, .zeroes = zeroes == MAP_FAILED ? NULL : zeroes};
}

/* A loop may be of another thread, which has ended: then the kernel still has the zeroes, which
 * stay where they are. */
void journal_ahead_deinit(struct journal_ahead *ahead) {
    while (ahead->is_writing && status_is_ok(loop_run_once(ahead->loop, NS_PER_S))) {
    }
    if (ahead->zeroes != NULL && !ahead->is_writing) {
        (void)munmap(ahead->zeroes, CHUNK_BYTES);
    }
}

/* Where it was seen to help, and what is written over stays in its place. */
static bool gains(const struct journal_segment *segment) {
    struct statfs info;
    return segment->files == NULL && segment->is_direct && fstatfs(segment->fd, &info) == 0 &&
           (info.f_type == EXT4_SUPER_MAGIC || info.f_type == XFS_SUPER_MAGIC);
}

void journal_ahead_enter(struct journal_ahead *ahead, const struct journal_segment *segment) {
    ASSERT(!ahead->is_writing);
    ahead->from = 0;
    ahead->to = 0;
    ahead->is_of_use = ahead->zeroes != NULL && gains(segment);
}

static void on_written(void *context, struct status status) {
    struct journal_ahead *ahead = context;
    ahead->is_writing = false;
    ahead->is_of_use = ahead->is_of_use && status_is_ok(status);
}

void journal_ahead_follow(struct journal_ahead *ahead, const struct journal_segment *segment,
                          uint64_t block_bytes, uint64_t offset) {
    if (!ahead->is_of_use || ahead->is_writing || block_bytes > SMALL_BLOCK_BYTES_MAX ||
        ahead->to >= offset + LOW_BYTES) {
        return;
    }
    uint64_t from = ahead->to > offset + GAP_BYTES ? ahead->to : offset + GAP_BYTES;
    uint64_t room = from < segment->size_bytes ? segment->size_bytes - from : 0;
    if (room == 0) {
        return;
    }
    ahead->from = from;
    ahead->to = from + (room < CHUNK_BYTES ? room : CHUNK_BYTES);
    ahead->is_writing = true;
    ahead->op = (struct loop_file_op){
        .fd = segment->fd,
        .data = ahead->zeroes,
        .size = (uint32_t)(ahead->to - ahead->from),
        .offset = ahead->from,
        .on_done = on_written,
        .context = ahead,
    };
    loop_file_write(ahead->loop, &ahead->op);
}

bool journal_ahead_bars(const struct journal_ahead *ahead, uint64_t end) {
    return ahead->is_writing && end > ahead->from;
}
