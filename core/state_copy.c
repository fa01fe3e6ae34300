/* state_copy.c - see state_copy.h. */
#include "core/state_copy.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "core/base/assert.h"
#include "core/base/limits.h"
#include "core/base/text.h"
#include "core/clock.h"
#include "core/file.h"
#include "core/store_check.h"
#include "core/worker.h"

#define RETRY_NS (5 * NS_PER_MINUTE)
enum { SEQ_DIGITS = 20, DIRECTORY_BYTES_MAX = STATE_COPY_PATH_BYTES_MAX - 100 };

struct state_copy {
    struct state_copy_options options;
    char directory[DIRECTORY_BYTES_MAX]; /* the state's */
    char path[STATE_COPY_PATH_BYTES_MAX];
    uint64_t seq;          /* 0: there is none */
    uint64_t failed_at_ns; /* 0: the last one went well */
    struct worker *worker; /* NULL: none is being made. Busy: what follows is its own */
    struct status made;
    struct fault fault;
    uint64_t made_seq;
    char made_path[STATE_COPY_PATH_BYTES_MAX];
};

/* --- What stands on the disk --- */

/* "<state>.copy-00000000000000012345" -> 12345; 0 for any other name. */
static uint64_t seq_of_name(struct slice name, struct slice prefix) {
    uint64_t seq = 0;
    bool is_copy = slice_starts_with(name, prefix) && name.size == prefix.size + SEQ_DIGITS &&
                   status_is_ok(text_parse_u64(slice_tail(name, prefix.size), &seq));
    return is_copy ? seq : 0;
}

uint64_t state_copy_find(const char *state_directory, char *path_out) {
    char parent[STATE_COPY_PATH_BYTES_MAX];
    char prefix[STATE_COPY_PATH_BYTES_MAX];
    const char *base = strrchr(state_directory, '/');
    path_out[0] = 0;
    if (base == NULL || strlen(state_directory) + SEQ_DIGITS + 16 > sizeof(parent)) {
        return 0;
    }
    (void)snprintf(parent, sizeof(parent), "%.*s", (int)(base - state_directory), state_directory);
    (void)snprintf(prefix, sizeof(prefix), "%s.copy-", base + 1);
    uint64_t newest = 0;
    DIR *stream = opendir(parent);
    struct dirent *entry = stream == NULL ? NULL : readdir(stream);
    for (; entry != NULL; entry = readdir(stream)) {
        uint64_t seq = seq_of_name(slice_of_text(entry->d_name), slice_of_text(prefix));
        newest = seq > newest ? seq : newest;
    }
    if (stream != NULL) {
        closedir(stream);
    }
    (void)snprintf(path_out, STATE_COPY_PATH_BYTES_MAX, "%s.copy-%0*llu", state_directory,
                   SEQ_DIGITS, (unsigned long long)newest);
    return newest;
}

/* A copy's directory holds two files of LMDB's. */
static void remove_copy(const char *directory) {
    static const char *const names[] = {"data.mdb", "lock.mdb"};
    char path[STATE_COPY_PATH_BYTES_MAX + 16];
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        (void)snprintf(path, sizeof(path), "%s/%s", directory, names[i]);
        (void)unlink(path);
    }
    (void)rmdir(directory);
}

/* --- The thread that makes one --- */

static struct status check_room(const struct state_copy *copy, struct fault *fault) {
    struct statvfs disk;
    uint64_t used_bytes = 0;
    uint64_t max_bytes = 0;
    store_usage(copy->options.store, &used_bytes, &max_bytes);
    if (statvfs(copy->directory, &disk) != 0) {
        return fault_set(fault, STATUS_IO, "cannot ask for the room of %s: %s", copy->directory,
                         strerror(errno));
    }
    uint64_t free_bytes = (uint64_t)disk.f_bavail * disk.f_frsize;
    uint64_t wanted_bytes = used_bytes + copy->options.reserve_bytes;
    return free_bytes >= wanted_bytes
               ? status_ok()
               : fault_set(fault, STATUS_FULL, "it takes %llu bytes free, there are %llu",
                           (unsigned long long)wanted_bytes, (unsigned long long)free_bytes);
}

static struct status make(struct state_copy *copy) {
    struct fault *fault = &copy->fault;
    const char *directory = copy->directory;
    char fresh[STATE_COPY_PATH_BYTES_MAX];
    struct store_check_result result = {0};
    TRY(check_room(copy, fault));
    (void)snprintf(fresh, sizeof(fresh), "%s.copy.new", directory);
    remove_copy(fresh);
    TRY(store_copy(copy->options.store, fresh, fault));
    TRY(store_check(NULL, fresh, NULL, &result, fault));
    (void)snprintf(copy->made_path, sizeof(copy->made_path), "%s.copy-%0*llu", directory,
                   SEQ_DIGITS, (unsigned long long)result.applied_seq);
    if (rename(fresh, copy->made_path) != 0) {
        return fault_set(fault, STATUS_IO, "cannot rename %s: %s", fresh, strerror(errno));
    }
    copy->made_seq = result.applied_seq;
    (void)snprintf(fresh, sizeof(fresh), "%s/..", directory);
    return file_sync_directory(NULL, fresh) == 0
               ? status_ok()
               : fault_set(fault, STATUS_IO, "cannot sync %s: %s", fresh, strerror(errno));
}

/* A process that ended behind the rename left the one before, too. */
static void remove_older(const struct state_copy *copy) {
    char parent[STATE_COPY_PATH_BYTES_MAX];
    char path[STATE_COPY_PATH_BYTES_MAX];
    char prefix[STATE_COPY_PATH_BYTES_MAX];
    const char *base = strrchr(copy->directory, '/');
    if (base == NULL || copy->seq == 0) {
        return;
    }
    (void)snprintf(parent, sizeof(parent), "%.*s", (int)(base - copy->directory), copy->directory);
    (void)snprintf(prefix, sizeof(prefix), "%s.copy-", base + 1);
    DIR *stream = opendir(parent);
    struct dirent *entry = stream == NULL ? NULL : readdir(stream);
    for (; entry != NULL; entry = readdir(stream)) {
        uint64_t seq = seq_of_name(slice_of_text(entry->d_name), slice_of_text(prefix));
        if (seq > 0 && seq < copy->seq) {
            (void)snprintf(path, sizeof(path), "%s.copy-%0*llu", copy->directory, SEQ_DIGITS,
                           (unsigned long long)seq);
            remove_copy(path);
        }
    }
    if (stream != NULL) {
        closedir(stream);
    }
}

static void work(void *context) {
    struct state_copy *copy = context;
    copy->made = make(copy);
}

/* --- The shard's side --- */

static void fail(struct state_copy *copy) {
    copy->failed_at_ns = clock_monotonic_ns();
    log_write(copy->options.logger, LOG_LEVEL_WARNING, "engine",
              "no copy of the state could be made: %s; tried again in %llu minutes, and until then "
              "a damaged state could not be made anew",
              copy->fault.words, (unsigned long long)(RETRY_NS / NS_PER_MINUTE));
}

static void begin(struct state_copy *copy) {
    copy->fault = (struct fault){{0}};
    const struct worker_options options = {.work = work, .context = copy};
    if (!status_is_ok(worker_open(&options, &copy->worker))) {
        (void)!status_is_ok(fault_set(&copy->fault, STATUS_FULL, "no thread for it"));
        fail(copy);
        return;
    }
    worker_submit(copy->worker);
}

static void end(struct state_copy *copy) {
    worker_close(copy->worker);
    copy->worker = NULL;
    if (!status_is_ok(copy->made)) {
        fail(copy);
        return;
    }
    if (copy->seq > 0 && copy->seq != copy->made_seq) {
        remove_copy(copy->path);
    }
    copy->seq = copy->made_seq;
    copy->failed_at_ns = 0;
    memcpy(copy->path, copy->made_path, sizeof(copy->path));
    log_write(copy->options.logger, LOG_LEVEL_INFO, "engine", "made %s, a copy of the state",
              copy->path);
}

struct status state_copy_open(const struct state_copy_options *options,
                              struct state_copy **copy_out) {
    struct state_copy *copy = calloc(1, sizeof(*copy));
    if (copy == NULL) {
        return status_of(STATUS_FULL);
    }
    copy->options = *options;
    int size = snprintf(copy->directory, sizeof(copy->directory), "%s", options->state_directory);
    if (size < 0 || size >= DIRECTORY_BYTES_MAX) {
        free(copy);
        return status_of(STATUS_INVALID);
    }
    copy->seq = state_copy_find(options->state_directory, copy->path);
    remove_older(copy);
    *copy_out = copy;
    return status_ok();
}

void state_copy_close(struct state_copy *copy) {
    if (copy != NULL && copy->worker != NULL) {
        end(copy);
    }
    free(copy);
}

uint64_t state_copy_release(struct state_copy *copy, uint64_t seq) {
    if (copy->worker != NULL && !worker_is_busy(copy->worker)) {
        end(copy);
    }
    if (copy->seq + 1 >= seq) {
        return seq;
    }
    bool is_resting =
        copy->failed_at_ns > 0 && clock_monotonic_ns() - copy->failed_at_ns < RETRY_NS;
    if (copy->worker == NULL && !is_resting) {
        begin(copy);
    }
    return is_resting ? seq : copy->seq + 1;
}
