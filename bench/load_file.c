/* load_file.c - see load_file.h. */
#include "bench/load_file.h"

#include <errno.h>
#include <stdlib.h>

#include "core/base/assert.h"

static const char mark[] = "quell-load 1\n";

struct status load_file_create(const char *path, struct load_file *file_out, struct fault *fault) {
    *file_out = (struct load_file){.file = fopen(path, "wbe")};
    if (file_out->file == NULL || fwrite(mark, sizeof(mark) - 1, 1, file_out->file) != 1) {
        const char *reason = strerror(errno);
        load_file_close(file_out);
        return fault_set(fault, STATUS_IO, "cannot write %s: %s", path, reason);
    }
    return status_ok();
}

struct status load_file_open(const char *path, struct load_file *file_out, struct fault *fault) {
    char found[sizeof(mark) - 1] = {0};
    *file_out = (struct load_file){.file = fopen(path, "rbe")};
    if (file_out->file == NULL) {
        return fault_set(fault, STATUS_IO, "cannot read %s: %s", path, strerror(errno));
    }
    if (fread(found, sizeof(found), 1, file_out->file) != 1 ||
        memcmp(found, mark, sizeof(found)) != 0) {
        load_file_close(file_out);
        return fault_set(fault, STATUS_INVALID,
                         "%s is no request file; make one with quell load --record", path);
    }
    return status_ok();
}

void load_file_close(struct load_file *file) {
    if (file->file != NULL) {
        (void)fclose(file->file);
    }
    free(file->bytes);
    *file = (struct load_file){0};
}

struct status load_file_finish(struct load_file *file) {
    bool is_whole = fflush(file->file) == 0 && ferror(file->file) == 0;
    return status_of(is_whole ? STATUS_OK : STATUS_IO);
}

void load_file_add(struct load_file *file, const struct load_file_entry *entry) {
    uint32_t sizes[2] = {entry->records, (uint32_t)entry->bytes.size};
    ASSERT(entry->bytes.size <= LOAD_FILE_REQUEST_BYTES_MAX);
    /* A failed write stays noted in the stream; load_file_finish tells. */
    (void)fwrite(&entry->due_ns, sizeof(entry->due_ns), 1, file->file);
    (void)fwrite(sizes, sizeof(sizes), 1, file->file);
    (void)fwrite(entry->bytes.data, entry->bytes.size, 1, file->file);
}

static struct status grow(struct load_file *file, uint32_t size) {
    if (size > LOAD_FILE_REQUEST_BYTES_MAX) {
        return status_of(STATUS_CORRUPT);
    }
    if (size > file->capacity) {
        char *larger = realloc(file->bytes, size);
        if (larger == NULL) {
            return status_of(STATUS_FULL);
        }
        file->bytes = larger;
        file->capacity = size;
    }
    return status_ok();
}

struct status load_file_next(struct load_file *file, struct load_file_entry *entry_out) {
    struct load_file_entry entry;
    uint32_t sizes[2];
    size_t got = fread(&entry.due_ns, 1, sizeof(entry.due_ns), file->file);
    if (got == 0) {
        return status_of(ferror(file->file) != 0 ? STATUS_IO : STATUS_END);
    }
    if (got != sizeof(entry.due_ns) || fread(sizes, sizeof(sizes), 1, file->file) != 1) {
        return status_of(STATUS_CORRUPT);
    }
    TRY(grow(file, sizes[1]));
    if (sizes[1] > 0 && fread(file->bytes, sizes[1], 1, file->file) != 1) {
        return status_of(STATUS_CORRUPT);
    }
    entry.records = sizes[0];
    entry.bytes = slice_of(file->bytes, sizes[1]);
    *entry_out = entry;
    return status_ok();
}
