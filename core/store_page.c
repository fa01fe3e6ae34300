/* store_page.c - see store_page.h. */
#include "core/store_page.h"

enum { ENTRY_HEADER_BYTES = 8 };
#define META_MAGIC 0xBEEFC0DEu

bool store_page_read_entry(const uint8_t *page, bool is_leaf, uint32_t index,
                           struct store_entry *entry_out, uint32_t *size_out) {
    uint32_t at = store_u16_at(page + STORE_PAGE_HEADER_BYTES + (size_t)2 * index);
    if (at < store_u16_at(page + 14) || at % 2 != 0 || at + ENTRY_HEADER_BYTES > STORE_PAGE_BYTES) {
        return false;
    }
    uint32_t key_bytes = store_u16_at(page + at + 6);
    uint32_t low = store_u32_at(page + at);
    uint16_t flags = store_u16_at(page + at + 4);
    uint32_t key_end = at + ENTRY_HEADER_BYTES + key_bytes;
    uint32_t data_bytes = !is_leaf ? 0 : (flags & STORE_ENTRY_BIG) != 0 ? 8 : low;
    if (key_end > STORE_PAGE_BYTES || data_bytes > STORE_PAGE_BYTES - key_end) {
        return false;
    }
    *entry_out = (struct store_entry){
        .key = slice_of(page + at + ENTRY_HEADER_BYTES, key_bytes),
        .data = slice_of(page + key_end, data_bytes),
        .data_bytes = low,
        .flags = flags,
        .child = low | (uint64_t)flags << 32,
    };
    *size_out = (ENTRY_HEADER_BYTES + key_bytes + data_bytes + 1) / 2 * 2;
    return true;
}

struct store_record store_page_read_table(const uint8_t *bytes) {
    return (struct store_record){
        .pad = store_u32_at(bytes),
        .flags = store_u16_at(bytes + 4),
        .depth = store_u16_at(bytes + 6),
        .pages = {store_u64_at(bytes + 8), store_u64_at(bytes + 16), store_u64_at(bytes + 24)},
        .entries = store_u64_at(bytes + 32),
        .root = store_u64_at(bytes + 40),
    };
}

const char *store_page_read_meta(const uint8_t *bytes, uint64_t page, struct store_meta *meta_out) {
    const uint8_t *body = bytes + STORE_PAGE_HEADER_BYTES;
    if (store_u64_at(bytes) != page || store_u16_at(bytes + 10) != STORE_PAGE_META ||
        store_u32_at(body) != META_MAGIC || store_u32_at(body + 4) != 1) {
        return "it is no head of a state store";
    }
    *meta_out = (struct store_meta){
        .free = store_page_read_table(body + 24),
        .main = store_page_read_table(body + 24 + STORE_RECORD_BYTES),
        .page_last = store_u64_at(body + 24 + (size_t)2 * STORE_RECORD_BYTES),
        .transaction = store_u64_at(body + 32 + (size_t)2 * STORE_RECORD_BYTES),
    };
    if (meta_out->free.pad != STORE_PAGE_BYTES || meta_out->main.flags != 0) {
        return "its page size or flags are wrong";
    }
    /* LMDB finds a transaction's head by its lowest bit, whichever it took for the newest. */
    return meta_out->transaction == 0 || meta_out->transaction % 2 == page
               ? NULL
               : "its transaction belongs into the other head";
}
