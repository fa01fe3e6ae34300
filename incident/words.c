/*
 * words.c - what an error's words give away: whom they blame, that they tell of trouble.
 *
 * Lists of beginnings of words in lower case. They are looked for in any case of letters, where a
 * word begins, in the first WORDS_BYTES_MAX bytes. They prove nothing; whoever asks weighs that.
 */
#include "incident/words.h"

#define WORDS_BYTES_MAX 512u

enum { LETTERS = 26, BEGINNINGS_MAX = 5 };

/* By their first letter, so that a word is held against few. */
typedef const char *beginnings[LETTERS][BEGINNINGS_MAX];

#define LETTER(letter) [letter - 'a']

static const beginnings of_blame = {
    LETTER('b') = {"bad gateway", "broken pipe"},
    LETTER('c') = {"connection refused", "connection reset", "could not co"},
    LETTER('d') = {"deadline"},
    LETTER('h') = {"http 502", "http 503", "http 504"},
    LETTER('n') = {"no response"},
    LETTER('t') = {"timeout", "timed out"},
    LETTER('u') = {"unreachable", "unavailable", "upstream"},
};

static const beginnings of_trouble = {
    LETTER('a') = {"aborted"},
    LETTER('b') = {"broken"},
    LETTER('c') = {"crash"},
    LETTER('d') = {"deadline", "degrad"},
    LETTER('e') = {"error", "exceed", "exhaust"},
    LETTER('f') = {"fail"},
    LETTER('n') = {"no resp"},
    LETTER('o') = {"overloa"},
    LETTER('p') = {"panic"},
    LETTER('r') = {"refus", "reject", "reset"},
    LETTER('s') = {"slow", "stall"},
    LETTER('t') = {"timeout", "timed out", "throttl"},
    LETTER('u') = {"unavail", "unreac"},
};

/* 0..25; LETTERS for what is none. */
static uint8_t letter_of(uint8_t byte) {
    uint8_t number = (uint8_t)((byte | 0x20) - 'a');
    return number < LETTERS ? number : LETTERS;
}

static bool starts_with(struct slice words, const char *part) {
    for (size_t i = 0; part[i] != '\0'; i++) {
        uint8_t byte = i < words.size ? words.data[i] : 0;
        byte = byte >= 'A' && byte <= 'Z' ? (uint8_t)(byte | 0x20) : byte;
        if (byte != (uint8_t)part[i]) {
            return false;
        }
    }
    return true;
}

static bool has_any(struct slice words, const beginnings *parts) {
    struct slice head = slice_head(words, WORDS_BYTES_MAX);
    bool is_inside = false;
    for (size_t at = 0; at < head.size; at++) {
        uint8_t letter = letter_of(head.data[at]);
        bool begins = !is_inside && letter < LETTERS;
        is_inside = letter < LETTERS;
        for (uint32_t i = 0; begins && (*parts)[letter][i] != NULL; i++) {
            if (starts_with(slice_tail(head, at), (*parts)[letter][i])) {
                return true;
            }
        }
    }
    return false;
}

bool words_blame_another(struct slice words) {
    return has_any(words, &of_blame);
}

bool words_tell_trouble(struct slice words) {
    return has_any(words, &of_trouble);
}
