/*
 * json_match.h - taking what is spelled as usual by comparing bytes, instead of token by token.
 *
 * Exporters write the same keys without blanks, over and over. A match runs ahead of the walk: a
 * literal that stands there byte for byte is known to hold so many tokens, since a literal that
 * begins at a token has the tokens that the index has there. Nothing happens to the walk before
 * json_match_commit; whoever fails to match goes the usual way from where the walk still stands.
 *
 * A match ends at the window of the index: a literal whose tokens are not all in it does not match.
 * Thread: one at a time.
 */
#pragma once

#include "ingest/json_walk.h"

struct json_match {
    struct json_walk *walk;
    uint32_t cursor;
    size_t at; /* behind what was matched */
};

/* Begins at the next token; false when it is not in the window. */
static inline bool json_match_begin(struct json_walk *walk, struct json_match *match_out) {
    if (walk->error != NULL || walk->generation != walk->index->generation ||
        walk->cursor >= walk->index->count) {
        return false;
    }
    match_out->walk = walk;
    match_out->cursor = walk->cursor;
    match_out->at = walk->index->entries[walk->cursor] & ~JSON_INDEX_ESCAPED;
    return true;
}

static inline bool json_match_bytes(struct json_match *match, const char *bytes, size_t size,
                                    uint32_t tokens) {
    const struct json_walk *walk = match->walk;
    if (match->cursor + tokens > walk->index->count || size > walk->bytes.size - match->at ||
        memcmp(walk->bytes.data + match->at, bytes, size) != 0) {
        return false;
    }
    match->cursor += tokens;
    match->at += size;
    return true;
}

/* A literal that begins at a token and ends with one; `tokens`: quotes, brackets, ',' and ':'. */
#define JSON_MATCH(match, literal, tokens)                                                         \
    json_match_bytes(match, "" literal, sizeof(literal) - 1, tokens)

/* The rest of a string whose opening quote was matched last; its closing quote comes next. Strings
 * with escapes do not match. */
static inline bool json_match_string(struct json_match *match, struct slice *text_out) {
    const struct json_walk *walk = match->walk;
    if (match->cursor >= walk->index->count) {
        return false;
    }
    uint32_t entry = walk->index->entries[match->cursor];
    if ((entry & JSON_INDEX_ESCAPED) != 0) {
        return false;
    }
    *text_out = slice_of(walk->bytes.data + match->at, entry - match->at);
    match->at = entry;
    return true;
}

/* The walk goes on behind the match, inside the same container. */
static inline void json_match_commit(const struct json_match *match) {
    match->walk->cursor = match->cursor;
    match->walk->at = match->at;
    match->walk->is_fresh = false;
}
