/*
 * journal_segment.c - segment files: list, create, open, scan. The format is in journal_segment.h.
 *
 * Why preallocated: fdatasync then has no file size or allocation to write, and "no space" is met
 * before a block is written, not in the middle of one.
 *
 * Invariants:
 * 1. A ".qj" name is given only to a file with a durable header; the directory is synced after.
 * 2. Behind the last block of a segment open for writing there are only zeroes.
 * 3. Scanning only reads; it never trusts a length that a checksum has not covered, but to find
 * what to check. Memory: of the caller. Reads are buffered, writes direct where the file system
 * allows it.
 */
#include "core/journal_segment.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdalign.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/assert.h"
#include "core/base/reader.h"

enum {
    SEGMENT_VERSION = 1,
    SEGMENT_HEADER_BYTES = 48,
    SEGMENT_CHECKED_AT = 16,
    SEGMENT_NAME_DIGITS = 20,
    SCAN_CHUNK_BYTES = 64 * 1024,
};
static const uint8_t segment_magic[8] = "QUELLSG1";
static_assert(SCAN_CHUNK_BYTES % BLOCK_ALIGN_BYTES == 0, "chunks hold whole steps");

/* What passes by itself: no room, and no descriptors while too many clients are there. */
static bool is_full_error(int error) {
    return error == ENOSPC || error == EDQUOT || error == EFBIG || error == EMFILE ||
           error == ENFILE || error == ENOMEM;
}

static struct status fail(struct fault *fault, const char *what, const char *path) {
    int error = errno;
    enum status_code code = is_full_error(error) ? STATUS_FULL : STATUS_IO;
    return fault_set(fault, code, "journal: cannot %s %s: %s", what, path, strerror(error));
}

void journal_segment_path(const char *directory, uint64_t first_seq, char *path) {
    int size = snprintf(path, JOURNAL_PATH_BYTES_MAX, "%s/%020" PRIu64 ".qj", directory, first_seq);
    ASSERT(size > 0 && size < JOURNAL_PATH_BYTES_MAX);
}

/* --- The list of files --- */

static bool parse_name(const char *name, uint64_t *first_seq_out) {
    size_t size = strlen(name);
    if (size != SEGMENT_NAME_DIGITS + 3 || strcmp(name + SEGMENT_NAME_DIGITS, ".qj") != 0) {
        return false;
    }
    return status_is_ok(text_parse_u64(slice_of(name, SEGMENT_NAME_DIGITS), first_seq_out)) &&
           *first_seq_out > 0;
}

static int compare_entries(const void *a, const void *b) {
    uint64_t seq_a = ((const struct journal_segment_entry *)a)->first_seq;
    uint64_t seq_b = ((const struct journal_segment_entry *)b)->first_seq;
    return seq_a < seq_b ? -1 : seq_a > seq_b;
}

static struct status list_open_directory(DIR *stream, const char *directory,
                                         struct journal_segment_entry *entries, uint32_t *count_out,
                                         struct fault *fault) {
    uint32_t count = 0;
    for (struct dirent *entry = readdir(stream); entry != NULL; entry = readdir(stream)) {
        struct journal_segment_entry item = {0};
        struct stat info;
        if (!parse_name(entry->d_name, &item.first_seq) ||
            fstatat(dirfd(stream), entry->d_name, &info, 0) != 0) {
            continue;
        }
        if (count == JOURNAL_SEGMENTS_MAX) {
            return fault_set(fault, STATUS_FULL, "journal: more than %u segments in %s",
                             JOURNAL_SEGMENTS_MAX, directory);
        }
        item.size_bytes = (uint64_t)info.st_size;
        item.written_ns = (uint64_t)info.st_mtim.tv_sec * NS_PER_S + (uint64_t)info.st_mtim.tv_nsec;
        entries[count++] = item;
    }
    qsort(entries, count, sizeof(entries[0]), compare_entries);
    *count_out = count;
    return status_ok();
}

struct status journal_segment_list(const char *directory, struct journal_segment_entry *entries,
                                   uint32_t *count_out, struct fault *fault) {
    DIR *stream = opendir(directory);
    if (stream == NULL && errno == ENOENT) {
        *count_out = 0;
        return status_ok();
    }
    if (stream == NULL) {
        return fail(fault, "read the directory", directory);
    }
    struct status status = list_open_directory(stream, directory, entries, count_out, fault);
    closedir(stream);
    return status;
}

struct status journal_directory_sync(const struct files *files, const char *directory,
                                     struct fault *fault) {
    return file_sync_directory(files, directory) == 0 ? status_ok()
                                                      : fail(fault, "sync", directory);
}

/* --- Making one --- */

/* O_DIRECT where the file system takes it. */
static int open_for_writing(const struct files *files, const char *path, int flags,
                            bool *is_direct_out) {
    int fd = file_open(files, path, flags | O_DIRECT);
    *is_direct_out = fd >= 0;
    if (fd < 0 && errno == EINVAL) {
        fd = file_open(files, path, flags & ~O_EXCL);
    }
    return fd;
}

struct status journal_segment_salt(uint64_t *salt_out, struct fault *fault) {
    uint64_t salt = 0;
    if (getrandom(&salt, sizeof(salt), 0) != (ssize_t)sizeof(salt)) {
        return fail(fault, "get random bytes for", "a segment");
    }
    *salt_out = salt;
    return status_ok();
}

static void encode_header(uint8_t *bytes, const struct journal_segment *segment) {
    memset(bytes, 0, BLOCK_ALIGN_BYTES);
    struct writer body =
        writer_over(bytes + SEGMENT_CHECKED_AT, SEGMENT_HEADER_BYTES - SEGMENT_CHECKED_AT);
    writer_u64(&body, segment->first_seq);
    writer_u64(&body, segment->salt);
    writer_u64(&body, segment->size_bytes);
    writer_u64(&body, 0);
    struct writer head = writer_over(bytes, SEGMENT_CHECKED_AT);
    writer_bytes(&head, slice_of(segment_magic, sizeof(segment_magic)));
    writer_u32(&head, SEGMENT_VERSION);
    writer_u32(&head, crc32c_of(writer_slice(&body), 0));
    ASSERT(!body.failed && !head.failed);
}

struct status journal_segment_allocate(const struct files *files, const char *path,
                                       uint64_t size_bytes, struct journal_segment *segment_out,
                                       struct fault *fault) {
    struct journal_segment segment = {.files = files, .size_bytes = size_bytes};
    segment.fd = open_for_writing(files, path, O_RDWR | O_CREAT | O_EXCL, &segment.is_direct);
    if (segment.fd < 0) {
        return fail(fault, "create", path);
    }
    if (file_allocate(files, segment.fd, 0, size_bytes) != 0) {
        struct status status = fail(fault, "allocate", path);
        journal_segment_close(&segment);
        return status;
    }
    *segment_out = segment;
    return status_ok();
}

struct status journal_segment_publish(const struct journal_segment *segment, const char *path,
                                      const char *directory, int directory_fd,
                                      struct fault *fault) {
    char name[JOURNAL_PATH_BYTES_MAX];
    alignas(BLOCK_ALIGN_BYTES) uint8_t header[BLOCK_ALIGN_BYTES];
    encode_header(header, segment);
    journal_segment_path(directory, segment->first_seq, name);
    if (file_write(segment->files, segment->fd, header, sizeof(header), 0) != 0) {
        return fail(fault, "write", path);
    }
    if (file_sync(segment->files, segment->fd) != 0) {
        return fail(fault, "sync", path);
    }
    if (file_rename(segment->files, path, name) != 0) {
        return fail(fault, "rename", path);
    }
    return file_sync(segment->files, directory_fd) == 0 ? status_ok()
                                                        : fail(fault, "sync", directory);
}

struct status journal_segment_create(const struct files *files, const char *directory,
                                     uint64_t first_seq, uint64_t size_bytes,
                                     struct journal_segment *segment_out, struct fault *fault) {
    ASSERT(first_seq > 0 && size_bytes % BLOCK_ALIGN_BYTES == 0);
    char path[JOURNAL_PATH_BYTES_MAX];
    char path_new[JOURNAL_PATH_BYTES_MAX + 8];
    uint64_t salt = 0;
    struct journal_segment segment = {.fd = -1};
    journal_segment_path(directory, first_seq, path);
    snprintf(path_new, sizeof(path_new), "%s.new", path);
    TRY(journal_segment_salt(&salt, fault));
    /* Opened first: without a descriptor left nothing gets a name. */
    int directory_fd = file_open(files, directory, O_RDONLY | O_DIRECTORY);
    if (directory_fd < 0) {
        return fail(fault, "open", directory);
    }
    (void)file_remove(files, path_new); /* of an attempt that a crash cut short */
    struct status status = journal_segment_allocate(files, path_new, size_bytes, &segment, fault);
    if (status_is_ok(status)) {
        segment.first_seq = first_seq;
        segment.salt = salt;
        status = journal_segment_publish(&segment, path_new, directory, directory_fd, fault);
    }
    file_close(files, directory_fd);
    if (!status_is_ok(status)) {
        (void)file_remove(files, path_new);
        (void)file_remove(files, path); /* when it had its name, but not for sure */
        journal_segment_close(&segment);
        return status;
    }
    *segment_out = segment;
    return status_ok();
}

/* --- Opening one --- */

static struct status read_header(struct journal_segment *segment, const char *path,
                                 struct fault *fault) {
    uint8_t bytes[SEGMENT_HEADER_BYTES];
    struct stat info;
    if (fstat(segment->fd, &info) != 0) {
        return fail(fault, "look at", path);
    }
    segment->size_bytes = (uint64_t)info.st_size;
    bool is_read = file_read(segment->files, segment->fd, bytes, sizeof(bytes), 0) == sizeof(bytes);
    struct reader reader = reader_over(slice_of(bytes, is_read ? sizeof(bytes) : 0));
    struct slice magic = reader_bytes(&reader, sizeof(segment_magic));
    uint32_t version = reader_u32(&reader);
    uint32_t checksum = reader_u32(&reader);
    uint64_t first_seq = reader_u64(&reader);
    segment->salt = reader_u64(&reader);
    struct slice body = slice_of(bytes + SEGMENT_CHECKED_AT, sizeof(bytes) - SEGMENT_CHECKED_AT);
    if (reader.failed || !slice_equals(magic, slice_of(segment_magic, sizeof(segment_magic))) ||
        crc32c_of(body, 0) != checksum || first_seq != segment->first_seq) {
        return fault_set(fault, STATUS_CORRUPT, "journal: %s has a damaged header (offset 0)",
                         path);
    }
    if (version != SEGMENT_VERSION) {
        return fault_set(fault, STATUS_UNSUPPORTED,
                         "journal: %s has format %u (offset 8), this program knows %u: use the "
                         "version that wrote it",
                         path, version, SEGMENT_VERSION);
    }
    return status_ok();
}

struct status journal_segment_open(const struct files *files, const char *directory,
                                   uint64_t first_seq, struct journal_segment *segment_out,
                                   struct fault *fault) {
    char path[JOURNAL_PATH_BYTES_MAX];
    journal_segment_path(directory, first_seq, path);
    struct journal_segment segment = {
        .files = files, .fd = file_open(files, path, O_RDONLY), .first_seq = first_seq};
    if (segment.fd < 0) {
        return fail(fault, "open", path);
    }
    struct status status = read_header(&segment, path, fault);
    if (!status_is_ok(status)) {
        journal_segment_close(&segment);
        return status;
    }
    *segment_out = segment;
    return status_ok();
}

struct status journal_segment_reopen(const char *directory, uint64_t end_bytes, uint64_t size_bytes,
                                     struct journal_segment *segment, struct fault *fault) {
    ASSERT(end_bytes >= BLOCK_ALIGN_BYTES && end_bytes % BLOCK_ALIGN_BYTES == 0);
    char path[JOURNAL_PATH_BYTES_MAX];
    journal_segment_path(directory, segment->first_seq, path);
    bool is_direct = false;
    const struct files *files = segment->files;
    int fd = open_for_writing(files, path, O_RDWR, &is_direct);
    if (fd < 0) {
        return fail(fault, "open", path);
    }
    uint64_t room = size_bytes > end_bytes ? size_bytes - end_bytes : 0;
    bool is_cut = file_truncate(files, fd, end_bytes) == 0;
    bool has_room = is_cut && file_allocate(files, fd, end_bytes, room) == 0;
    if (!has_room && is_cut && is_full_error(errno)) {
        room = 0;
        has_room = file_truncate(files, fd, end_bytes) == 0;
    }
    if (!has_room || file_sync(files, fd) != 0) {
        struct status status = fail(fault, "prepare", path);
        file_close(files, fd);
        return status_is_ok(status) ? status_of(STATUS_IO) : status;
    }
    journal_segment_close(segment);
    segment->fd = fd;
    segment->is_direct = is_direct;
    segment->size_bytes = end_bytes + room;
    return status_ok();
}

void journal_segment_close(struct journal_segment *segment) {
    if (segment->fd >= 0) {
        file_close(segment->files, segment->fd);
    }
    segment->fd = -1;
}

/* --- Scanning --- */

static size_t read_at(const struct journal_segment *segment, uint64_t offset, uint8_t *buffer,
                      size_t size) {
    return file_read(segment->files, segment->fd, buffer, size, offset);
}

/* Whether `head`, read at the offset, begins a valid block; then all of it is in `buffer`. */
static bool read_block(const struct journal_segment *segment, uint64_t offset, struct slice head,
                       uint64_t seq_min, uint8_t *buffer, struct journal_block_header *header_out) {
    struct journal_block_header header;
    if (!status_is_ok(journal_block_read_header(head, segment->salt, offset, &header)) ||
        header.first_seq < seq_min) {
        return false;
    }
    size_t size = JOURNAL_BLOCK_HEADER_BYTES + (size_t)header.payload_bytes;
    size_t got = read_at(segment, offset, buffer, size);
    if (!status_is_ok(journal_block_verify(slice_of(buffer, got), &header))) {
        return false;
    }
    *header_out = header;
    return true;
}

static bool is_zero(struct slice bytes) {
    return bytes.size == 0 ||
           (bytes.data[0] == 0 && memcmp(bytes.data, bytes.data + 1, bytes.size - 1) == 0);
}

/* What a scan has seen of the bytes behind `start`. */
struct scan {
    const struct journal_segment *segment;
    uint64_t start;
    uint64_t seq_min;
    uint8_t *buffer;
    bool is_clean;
    bool is_readable;
};

/* A valid block in the chunk, which was read at the offset. */
static bool find_in_chunk(struct scan *scan, struct slice chunk, uint64_t offset,
                          struct journal_place *place_out) {
    for (size_t at = 0; at < chunk.size; at += BLOCK_ALIGN_BYTES) {
        struct slice head = slice_head(slice_tail(chunk, at), BLOCK_ALIGN_BYTES);
        struct journal_block_header header;
        if (is_zero(head)) {
            continue;
        }
        if (read_block(scan->segment, offset + at, head, scan->seq_min, scan->buffer, &header)) {
            *place_out = (struct journal_place){
                .found = offset + at == scan->start ? JOURNAL_FOUND_BLOCK : JOURNAL_FOUND_LATER,
                .offset = offset + at,
                .header = header,
            };
            return true;
        }
        scan->is_clean = false;
    }
    return false;
}

/* Behind what was read: the next chunk that may hold anything. Room that was never written need not
 * be read; what a file system says of it is not asked where the next block is due. */
static uint64_t next_chunk(const struct journal_segment *segment, uint64_t offset) {
    uint64_t found = file_find_data(segment->files, segment->fd, offset);
    return found <= offset || found == UINT64_MAX ? found
                                                  : found / BLOCK_ALIGN_BYTES * BLOCK_ALIGN_BYTES;
}

void journal_segment_find(const struct journal_segment *segment, uint64_t offset, uint64_t seq_min,
                          uint8_t *buffer, struct journal_place *place_out) {
    ASSERT(offset % BLOCK_ALIGN_BYTES == 0);
    uint8_t chunk[SCAN_CHUNK_BYTES];
    struct scan scan = {segment, offset, seq_min, buffer, true, true};
    size_t wanted = BLOCK_ALIGN_BYTES; /* the usual case: the next block, most often a small one */
    while (offset < segment->size_bytes) {
        size_t got = read_at(segment, offset, chunk, wanted);
        uint64_t left = segment->size_bytes - offset;
        scan.is_readable = scan.is_readable && got >= (left < wanted ? left : wanted);
        if (find_in_chunk(&scan, slice_of(chunk, got), offset, place_out)) {
            return;
        }
        offset = next_chunk(segment, offset + wanted);
        wanted = sizeof(chunk);
    }
    *place_out = (struct journal_place){
        .found = !scan.is_readable ? JOURNAL_FOUND_UNREADABLE
                 : scan.is_clean   ? JOURNAL_FOUND_END
                                   : JOURNAL_FOUND_TORN,
        .offset = scan.start,
    };
}
