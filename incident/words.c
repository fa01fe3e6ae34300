/*
 * words.c - what an error's words give away: whom they blame, that they tell of trouble.
 *
 * Lists of beginnings of words in lower case. They are looked for in any case of letters, where a
 * word begins, in the first WORDS_BYTES_MAX bytes. They prove nothing; whoever asks weighs that.
 */
#include "incident/words.h"

#define WORDS_BYTES_MAX 512u

static bool is_letter(uint8_t byte) {
    return (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z');
}

static uint8_t lower(uint8_t byte) {
    return byte >= 'A' && byte <= 'Z' ? (uint8_t)(byte | 0x20) : byte;
}

static bool starts_with(struct slice words, const char *part) {
    for (size_t i = 0; part[i] != '\0'; i++) {
        if (i == words.size || lower(words.data[i]) != (uint8_t)part[i]) {
            return false;
        }
    }
    return true;
}

static bool has_any(struct slice words, const char *const *parts, size_t count) {
    struct slice head = slice_head(words, WORDS_BYTES_MAX);
    for (size_t at = 0; at < head.size; at++) {
        if (!is_letter(head.data[at]) || (at > 0 && is_letter(head.data[at - 1]))) {
            continue;
        }
        struct slice rest = slice_tail(head, at);
        uint8_t first = lower(rest.data[0]);
        for (size_t i = 0; i < count; i++) {
            if ((uint8_t)parts[i][0] == first && starts_with(rest, parts[i])) {
                return true;
            }
        }
    }
    return false;
}

bool words_blame_another(struct slice words) {
    static const char *const parts[] = {
        "timeout",      "timed out",   "deadline", "connection refused", "connection reset",
        "unreachable",  "unavailable", "upstream", "no response",        "bad gateway",
        "could not co", "http 502",    "http 503", "http 504",           "broken pipe",
    };
    return has_any(words, parts, sizeof(parts) / sizeof(parts[0]));
}

bool words_tell_trouble(struct slice words) {
    static const char *const parts[] = {
        "fail",    "error",  "timeout", "timed out", "deadline", "exceed",  "refus", "reject",
        "unavail", "unreac", "reset",   "degrad",    "slow",     "overloa", "panic", "crash",
        "no resp", "broken", "throttl", "stall",     "aborted",  "exhaust",
    };
    return has_any(words, parts, sizeof(parts) / sizeof(parts[0]));
}
