/*
 * store_page.h - what stands in a page of the state's file, as LMDB writes it. Pure: of bytes that
 * may be damaged; nothing outside the page is read. Any thread.
 *
 * Numbers are little-endian, pages 4096 bytes:
 *
 *   page      0 u64 own number, 8 u16 pad, 10 u16 kind, 12 u16 lower, 14 u16 upper (or 12 u32 pages
 *             of an overflow run); 16 .. lower: u16 offsets of entries; upper .. 4096: entries
 *   entry     0 u16 low, 2 u16 high, 4 u16 flags, 6 u16 key size, 8 key, then data.
 *             A branch: low, high, flags are the child's number. A leaf: low and high are the size
 *             of the data; flags 1: the data is the number of an overflow run, 2: a table's record
 *   table     0 u32 pad, 4 u16 flags, 6 u16 depth, 8 u64 branch, 16 leaf, 24 overflow pages,
 *             32 u64 entries, 40 u64 root (all ones: empty)
 *   meta      pages 0 and 1, from byte 16: u32 magic, u32 version, u64 address, u64 map size, table
 *             of free pages (its pad: page size), table of tables, u64 last page, u64 transaction
 */
#pragma once

#include "core/base/slice.h"

enum { STORE_PAGE_BYTES = 4096, STORE_PAGE_HEADER_BYTES = 16, STORE_RECORD_BYTES = 48 };
enum { STORE_PAGE_BRANCH = 1, STORE_PAGE_LEAF = 2, STORE_PAGE_OVERFLOW = 4, STORE_PAGE_META = 8 };
enum { STORE_ENTRY_BIG = 1, STORE_ENTRY_TABLE = 2 };
#define STORE_ROOT_NONE UINT64_MAX

struct store_record {
    uint32_t pad;
    uint16_t flags;
    uint16_t depth;
    uint64_t pages[3]; /* branch, leaf, overflow */
    uint64_t entries;
    uint64_t root;
};

struct store_meta {
    struct store_record free;
    struct store_record main;
    uint64_t page_last;
    uint64_t transaction;
};

/* A page's entry, its bounds checked. */
struct store_entry {
    struct slice key;
    struct slice data; /* a leaf's, in the page */
    uint32_t data_bytes;
    uint16_t flags;
    uint64_t child;
};

static inline uint16_t store_u16_at(const uint8_t *bytes) {
    return (uint16_t)(bytes[0] | bytes[1] << 8);
}

static inline uint32_t store_u32_at(const uint8_t *bytes) {
    return store_u16_at(bytes) | (uint32_t)store_u16_at(bytes + 2) << 16;
}

static inline uint64_t store_u64_at(const uint8_t *bytes) {
    return store_u32_at(bytes) | (uint64_t)store_u32_at(bytes + 4) << 32;
}

/* The entry at `index`, below the number of them that the page's bounds say; `*size_out` gets its
 * size in the page. False: it lies outside. */
bool store_page_read_entry(const uint8_t *page, bool is_leaf, uint32_t index,
                           struct store_entry *entry_out, uint32_t *size_out);
/* Of STORE_RECORD_BYTES. */
struct store_record store_page_read_table(const uint8_t *bytes);
/* Of one of the two first pages. NULL, or what is wrong with it. */
const char *store_page_read_meta(const uint8_t *bytes, uint64_t page, struct store_meta *meta_out);
