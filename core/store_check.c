/*
 * store_check.c - see store_check.h. The format of pages is in store_page.h.
 */
#include "core/store_check.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/base/assert.h"
#include "core/base/reader.h"
#include "core/store.h"
#include "core/store_page.h"

enum { CRC_BYTES = 4, DEPTH_MAX = 16, PATH_BYTES_MAX = 1200 };
/* What lies in a table: rows of ours, lists of free pages, or tables. */
enum content { CONTENT_ROWS, CONTENT_META, CONTENT_FREE, CONTENT_TABLES };

struct check {
    const struct files *files;
    const struct progress *progress;
    int fd;
    char path[PATH_BYTES_MAX];
    uint8_t *pages; /* DEPTH_MAX pages for each of the two nested walks */
    uint8_t *seen;  /* a bit a page: reached, or free */
    uint64_t seen_bits;
    uint8_t *big; /* the overflow run being looked at */
    size_t big_bytes;
    uint32_t tables_known;
    uint32_t tables_unknown;
    struct store_check_result result;
    struct fault *fault;
};

/* One walk down a table. */
struct walk {
    enum content content;
    uint64_t counts[3];
    uint64_t entries;
    uint16_t depth;
};

static struct status damaged(struct check *check, uint64_t page, const char *what) {
    return fault_set(check->fault, STATUS_CORRUPT,
                     "state store: %s is damaged at offset %" PRIu64 " (page %" PRIu64 "): %s",
                     check->path, page * STORE_PAGE_BYTES, page, what);
}

/* --- Pages --- */

/* Each page is reached once, or free once. */
static struct status take_page(struct check *check, uint64_t page, const char *what) {
    if (page < 2 || page >= check->seen_bits) {
        return damaged(check, page < 2 ? page : 0, what);
    }
    uint8_t bit = (uint8_t)(1u << (page % 8));
    if ((check->seen[page / 8] & bit) != 0) {
        return damaged(check, page, "it is reached twice, or used and free");
    }
    check->seen[page / 8] |= bit;
    progress_tell(check->progress, "pages of the state checked", check->result.pages);
    return status_ok();
}

static struct status read_page(struct check *check, uint64_t page, uint8_t *bytes) {
    TRY(take_page(check, page, "a page's number is outside the file"));
    if (file_read(check->files, check->fd, bytes, STORE_PAGE_BYTES, page * STORE_PAGE_BYTES) !=
        STORE_PAGE_BYTES) {
        return damaged(check, page, "it cannot be read");
    }
    check->result.pages++;
    return store_u64_at(bytes) == page ? status_ok()
                                       : damaged(check, page, "it has another number");
}

/* How many entries the page has; their places are inside it and fill it without gaps. */
static struct status count_entries(struct check *check, uint64_t page, const uint8_t *bytes,
                                   uint32_t *count_out) {
    uint32_t lower = store_u16_at(bytes + 12);
    uint32_t upper = store_u16_at(bytes + 14);
    if (lower < STORE_PAGE_HEADER_BYTES || lower % 2 != 0 || upper < lower ||
        upper > STORE_PAGE_BYTES) {
        return damaged(check, page, "its bounds are wrong");
    }
    *count_out = (lower - STORE_PAGE_HEADER_BYTES) / 2;
    return *count_out > 0 ? status_ok() : damaged(check, page, "it is empty");
}

/* --- What lies in a leaf --- */

static struct status check_row(struct check *check, uint64_t page, struct slice key,
                               struct slice value, bool is_meta) {
    uint32_t stored = 0;
    if (value.size < CRC_BYTES) {
        return damaged(check, page, "a row is too short");
    }
    struct slice bytes = slice_head(value, value.size - CRC_BYTES);
    memcpy(&stored, value.data + bytes.size, CRC_BYTES);
    if (crc32c_of(bytes, crc32c_of(key, 0)) != stored) {
        return damaged(check, page, "a row's checksum does not hold");
    }
    struct slice parts[2] = {key, bytes};
    if (is_meta && slice_equals(key, SLICE("cursor")) && bytes.size >= 8) {
        check->result.applied_seq = store_u64_at(bytes.data);
    }
    if (!is_meta) {
        check->result.digest =
            hash128_combine(check->result.digest, hash128_of_parts(parts, 2, check->result.rows));
        check->result.rows++;
    }
    return status_ok();
}

/* A count, then that many page numbers, descending. */
static struct status check_free_list(struct check *check, uint64_t page, struct slice list) {
    uint64_t before = UINT64_MAX;
    if (list.size < 8 || store_u64_at(list.data) > list.size / 8 - 1) {
        return damaged(check, page, "its list of free pages is cut");
    }
    uint64_t count = store_u64_at(list.data);
    for (uint64_t i = 1; i <= count; i++) {
        uint64_t number = store_u64_at(list.data + 8 * i);
        if (number >= before) {
            return damaged(check, page, "its list of free pages is not in order");
        }
        TRY(take_page(check, number, "a free page's number is outside the file"));
        before = number;
    }
    return status_ok();
}

static struct status reserve_big(struct check *check, size_t size) {
    if (size > check->big_bytes) {
        free(check->big);
        check->big = malloc(2 * size);
        check->big_bytes = check->big == NULL ? 0 : 2 * size;
    }
    return check->big != NULL
               ? status_ok()
               : fault_set(check->fault, STATUS_FULL, "state store: no memory to check a row");
}

/* An overflow run: one header, then the data. */
static struct status read_big(struct check *check, struct walk *walk,
                              const struct store_entry *entry, struct slice *data_out) {
    uint64_t page = store_u64_at(entry->data.data);
    size_t size = STORE_PAGE_HEADER_BYTES + (size_t)entry->data_bytes;
    if (page >= check->seen_bits || size > check->seen_bits * STORE_PAGE_BYTES) {
        return damaged(check, 0, "an overflow page's number is outside the file");
    }
    TRY(reserve_big(check, size));
    if (file_read(check->files, check->fd, check->big, size, page * STORE_PAGE_BYTES) != size) {
        return damaged(check, page, "it cannot be read");
    }
    /* A run is used again for a smaller value. */
    uint64_t count = store_u32_at(check->big + 12);
    if (store_u64_at(check->big) != page || store_u16_at(check->big + 10) != STORE_PAGE_OVERFLOW ||
        count < (size + STORE_PAGE_BYTES - 1) / STORE_PAGE_BYTES || count > check->seen_bits) {
        return damaged(check, page, "it is no overflow page");
    }
    for (uint64_t i = 0; i < count; i++) {
        TRY(take_page(check, page + i, "an overflow page's number is outside the file"));
    }
    walk->counts[2] += count;
    check->result.pages += count;
    *data_out = slice_of(check->big + STORE_PAGE_HEADER_BYTES, entry->data_bytes);
    return status_ok();
}

static struct status check_table(struct check *check, const struct store_record *table,
                                 enum content content);

/* A start writes into meta and, of itself, into the audit. */
static enum content content_of(struct slice table) {
    bool is_of_starts = slice_equals(table, SLICE("meta")) || slice_equals(table, SLICE("audit"));
    return is_of_starts ? CONTENT_META : CONTENT_ROWS;
}

/* LMDB would make the missing one anew, empty. An older quell's store lacks tables, and a newer
 * one's has more. */
static struct status check_names(struct check *check, uint64_t page) {
    return check->tables_unknown == 0 || check->tables_known == STORE_TABLE_COUNT
               ? status_ok()
               : damaged(check, page, "a table's name is damaged");
}

static struct status check_entry(struct check *check, struct walk *walk, uint64_t page,
                                 const struct store_entry *entry) {
    walk->entries++;
    if (walk->content == CONTENT_TABLES) {
        if (entry->flags != STORE_ENTRY_TABLE || entry->data.size != STORE_RECORD_BYTES) {
            return damaged(check, page, "a table's record is wrong");
        }
        struct store_record table = store_page_read_table(entry->data.data);
        *(store_knows_table(entry->key) ? &check->tables_known : &check->tables_unknown) += 1;
        return table.flags == 0 && table.pad == 0
                   ? check_table(check, &table, content_of(entry->key))
                   : damaged(check, page, "a table's flags are wrong");
    }
    struct slice data = entry->data;
    if ((entry->flags & ~(uint32_t)STORE_ENTRY_BIG) != 0) {
        return damaged(check, page, "an entry's flags are wrong");
    }
    if (entry->flags == STORE_ENTRY_BIG) {
        TRY(read_big(check, walk, entry, &data));
    }
    return walk->content == CONTENT_FREE
               ? check_free_list(check, page, data)
               : check_row(check, page, entry->key, data, walk->content == CONTENT_META);
}

/* --- The tree --- */

static int compare_keys(enum content content, struct slice a, struct slice b) {
    if (content != CONTENT_FREE) {
        return slice_compare(a, b);
    }
    uint64_t number_a = a.size == 8 ? store_u64_at(a.data) : 0;
    uint64_t number_b = b.size == 8 ? store_u64_at(b.data) : 0;
    return number_a < number_b ? -1 : number_a > number_b;
}

/* Keys of a subtree are at or above `from` and below `to`; NULL data: no bound. */
struct bounds {
    struct slice from;
    struct slice to;
};

static bool is_within(enum content content, const struct bounds *bounds, struct slice key) {
    return (bounds->from.data == NULL || compare_keys(content, bounds->from, key) <= 0) &&
           (bounds->to.data == NULL || compare_keys(content, key, bounds->to) < 0);
}

static struct status check_page(struct check *check, struct walk *walk, uint64_t page,
                                uint16_t depth, struct bounds bounds);

/* The bounds of the child at `index`. The first key of a branch is not looked at by LMDB. */
static struct bounds child_bounds(const uint8_t *bytes, uint32_t index, uint32_t count,
                                  struct bounds bounds) {
    struct store_entry entry;
    uint32_t size = 0;
    if (index > 0 && store_page_read_entry(bytes, false, index, &entry, &size)) {
        bounds.from = entry.key;
    }
    if (index + 1 < count && store_page_read_entry(bytes, false, index + 1, &entry, &size)) {
        bounds.to = entry.key;
    }
    return bounds;
}

/* Entries lie inside the page, in order, and fill it exactly. */
static struct status check_layout(struct check *check, enum content content, uint64_t page,
                                  const uint8_t *bytes, uint32_t count, struct bounds bounds) {
    bool is_leaf = store_u16_at(bytes + 10) == STORE_PAGE_LEAF;
    struct store_entry entry;
    struct slice before = {0};
    uint32_t used = 0;
    for (uint32_t i = 0; i < count; i++) {
        uint32_t size = 0;
        if (!store_page_read_entry(bytes, is_leaf, i, &entry, &size)) {
            return damaged(check, page, "an entry lies outside it");
        }
        used += size;
        bool has_key = is_leaf || i > 0;
        if (has_key && (!is_within(content, &bounds, entry.key) ||
                        (before.data != NULL && compare_keys(content, before, entry.key) >= 0))) {
            return damaged(check, page, "its keys are not in order");
        }
        before = has_key ? entry.key : before;
    }
    return used == STORE_PAGE_BYTES - (uint32_t)store_u16_at(bytes + 14)
               ? status_ok()
               : damaged(check, page, "its entries overlap or leave gaps");
}

static struct status check_children(struct check *check, struct walk *walk, uint64_t page,
                                    const uint8_t *bytes, uint16_t depth, struct bounds bounds) {
    uint32_t count = 0;
    TRY(count_entries(check, page, bytes, &count));
    TRY(check_layout(check, walk->content, page, bytes, count, bounds));
    bool is_leaf = store_u16_at(bytes + 10) == STORE_PAGE_LEAF;
    walk->counts[is_leaf ? 1 : 0]++;
    if (is_leaf && depth != walk->depth) {
        return damaged(check, page, "it is not as deep as the others");
    }
    for (uint32_t i = 0; i < count; i++) {
        struct store_entry entry;
        uint32_t size = 0;
        ASSERT(store_page_read_entry(bytes, is_leaf, i, &entry, &size));
        TRY(is_leaf ? check_entry(check, walk, page, &entry)
                    : check_page(check, walk, entry.child, (uint16_t)(depth + 1),
                                 child_bounds(bytes, i, count, bounds)));
    }
    return status_ok();
}

static struct status check_page(struct check *check, struct walk *walk, uint64_t page,
                                uint16_t depth, struct bounds bounds) {
    if (depth > walk->depth) {
        return damaged(check, page, "the tree is deeper than it says");
    }
    /* A table of rows is walked from inside a leaf of the table of tables. */
    uint32_t nesting = walk->content == CONTENT_ROWS || walk->content == CONTENT_META ? 1 : 0;
    uint8_t *bytes = check->pages + (size_t)(nesting * DEPTH_MAX + depth - 1u) * STORE_PAGE_BYTES;
    TRY(read_page(check, page, bytes));
    uint16_t kind = store_u16_at(bytes + 10);
    return kind == STORE_PAGE_BRANCH || kind == STORE_PAGE_LEAF
               ? check_children(check, walk, page, bytes, depth, bounds)
               : damaged(check, page, "it is no page of a tree");
}

static struct status check_table(struct check *check, const struct store_record *table,
                                 enum content content) {
    struct walk walk = {.content = content, .depth = table->depth};
    if (table->root == STORE_ROOT_NONE) {
        return table->entries == 0 && table->depth == 0
                   ? status_ok()
                   : damaged(check, 0, "an empty table says that it is not");
    }
    if (table->depth == 0 || table->depth > DEPTH_MAX) {
        return damaged(check, 0, "a table's depth is wrong");
    }
    TRY(check_page(check, &walk, table->root, 1, (struct bounds){0}));
    bool is_counted = walk.entries == table->entries &&
                      memcmp(walk.counts, table->pages, sizeof(walk.counts)) == 0;
    return is_counted ? status_ok() : damaged(check, table->root, "its table's counts are wrong");
}

/* --- The file --- */

static struct status read_meta(struct check *check, uint64_t page, struct store_meta *meta_out) {
    uint8_t bytes[STORE_PAGE_BYTES];
    if (file_read(check->files, check->fd, bytes, STORE_PAGE_BYTES, page * STORE_PAGE_BYTES) !=
        STORE_PAGE_BYTES) {
        return damaged(check, page, "the file is too short");
    }
    const char *complaint = store_page_read_meta(bytes, page, meta_out);
    return complaint == NULL ? status_ok() : damaged(check, page, complaint);
}

static struct status allocate(struct check *check, uint64_t page_last) {
    /* A file of 2^32 pages is far beyond the map that we give LMDB. */
    if (page_last < 1 || page_last >= UINT32_MAX) {
        return damaged(check, 0, "its last page is wrong");
    }
    check->seen_bits = page_last + 1;
    check->seen = calloc(check->seen_bits / 8 + 1, 1);
    check->pages = malloc((size_t)2 * DEPTH_MAX * STORE_PAGE_BYTES);
    return check->seen != NULL && check->pages != NULL
               ? status_ok()
               : fault_set(check->fault, STATUS_FULL, "state store: no memory to check %s",
                           check->path);
}

static struct status check_file(struct check *check) {
    struct store_meta metas[2];
    TRY(read_meta(check, 0, &metas[0]));
    TRY(read_meta(check, 1, &metas[1]));
    const struct store_meta *newest = &metas[metas[0].transaction < metas[1].transaction ? 1 : 0];
    if (metas[0].free.flags != metas[1].free.flags) {
        return damaged(check, 0, "its two heads have different flags");
    }
    if (newest->transaction == 0) {
        return status_of(STATUS_MISSING); /* made, never written */
    }
    check->result.transaction = newest->transaction;
    TRY(allocate(check, newest->page_last));
    TRY(check_table(check, &newest->free, CONTENT_FREE));
    TRY(check_table(check, &newest->main, CONTENT_TABLES));
    return check_names(check, newest->main.root);
}

struct status store_check(const struct files *files, const char *directory,
                          const struct progress *progress, struct store_check_result *result_out,
                          struct fault *fault) {
    struct check check = {.files = files, .progress = progress, .fault = fault};
    int size = snprintf(check.path, sizeof(check.path), "%s/data.mdb", directory);
    if (size < 0 || size >= PATH_BYTES_MAX) {
        return fault_set(fault, STATUS_INVALID, "state store: the path is too long");
    }
    check.fd = file_open(files, check.path, O_RDONLY);
    if (check.fd < 0) {
        return errno == ENOENT ? status_of(STATUS_MISSING)
                               : fault_set(fault, STATUS_IO, "state store: cannot open %s: %s",
                                           check.path, strerror(errno));
    }
    uint8_t byte = 0;
    bool is_empty = file_read(files, check.fd, &byte, 1, 0) == 0;
    struct status status = is_empty ? status_of(STATUS_MISSING) : check_file(&check);
    file_close(files, check.fd);
    free(check.seen);
    free(check.pages);
    free(check.big);
    if (status_is_ok(status)) {
        *result_out = check.result;
    }
    return status;
}
