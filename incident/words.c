/*
 * words.c - what an error's words give away: whom they blame, that they tell of trouble. A fault of
 * one's own is one of one's code, data, configuration or resources, which no caller has because of
 * what it calls.
 *
 * Lists of beginnings of words in lower case. They are looked for in any case of letters, where a
 * word begins, in the first WORDS_BYTES_MAX bytes. They prove nothing; whoever asks weighs that.
 */
#include "incident/words.h"

#ifdef __SSE2__
#include <emmintrin.h>
#endif

#define WORDS_BYTES_MAX 512u

enum { LETTERS = 26, BEGINNINGS_MAX = 7 }; /* the last is NULL */

/* By their first letter, so that a word is held against few. */
typedef const char *beginnings[LETTERS][BEGINNINGS_MAX];

#define LETTER(letter) [(letter) - 'a']

static const beginnings of_blame = {
    LETTER('b') = {"bad gateway", "broken pipe"},
    LETTER('c') = {"connection refused", "connection reset", "could not co"},
    LETTER('d') = {"deadline"},
    LETTER('h') = {"http 502", "http 503", "http 504"},
    LETTER('n') = {"no response"},
    LETTER('t') = {"timeout", "timed out"},
    LETTER('u') = {"unreachable", "unavailable", "upstream"},
};

static const beginnings of_oneself = {
    LETTER('a') = {"access denied", "assert"},
    LETTER('b') = {"bad config", "bad deploy", "build fail"},
    LETTER('c') = {"certificate", "concurrent map", "config", "constraint", "corrupt", "crash"},
    LETTER('d') = {"disk", "division by"},
    LETTER('k') = {"killed"},
    LETTER('m') = {"memory leak", "migration", "module not"},
    LETTER('n') = {"nil ", "no space", "null"},
    LETTER('o') = {"oom", "out of mem", "outofmem", "overflow"},
    LETTER('p') = {"panic", "permission"},
    LETTER('q') = {"quota"},
    LETTER('r') = {"read-only"},
    LETTER('s') = {"schema", "segfault", "segment", "stack overflow", "syntax"},
    LETTER('t') = {"traceback", "type error", "typeerror"},
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

enum { WINDOW_BYTES = 16 };

/* Which of the 16 bytes are ASCII letters, a bit each. Every message is read here: it is worth it.
 */
static uint32_t find_letters(const uint8_t *window) {
#ifdef __SSE2__
    __m128i bytes = _mm_loadu_si128((const __m128i *)(const void *)window);
    __m128i number = _mm_sub_epi8(_mm_or_si128(bytes, _mm_set1_epi8(0x20)), _mm_set1_epi8('a'));
    __m128i is_letter = _mm_cmpeq_epi8(_mm_min_epu8(number, _mm_set1_epi8(LETTERS - 1)), number);
    return (uint32_t)_mm_movemask_epi8(is_letter);
#else
    uint32_t letters = 0;
    for (uint32_t i = 0; i < WINDOW_BYTES; i++) {
        letters |= (uint32_t)((uint8_t)((window[i] | 0x20) - 'a') < LETTERS) << i;
    }
    return letters;
#endif
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

/* Whether a part begins at the letter at `at`. */
static bool begins_any(struct slice head, size_t at, const beginnings *parts) {
    const char *const *of_letter = (*parts)[(head.data[at] | 0x20) - 'a'];
    for (uint32_t i = 0; of_letter[i] != NULL; i++) {
        if (starts_with(slice_tail(head, at), of_letter[i])) {
            return true;
        }
    }
    return false;
}

static uint32_t letters_at(struct slice head, size_t at) {
    uint8_t rest[WINDOW_BYTES] = {0};
    if (head.size - at >= WINDOW_BYTES) {
        return find_letters(head.data + at);
    }
    memcpy(rest, head.data + at, head.size - at);
    return find_letters(rest);
}

static bool has_any(struct slice words, const beginnings *parts) {
    struct slice head = slice_head(words, WORDS_BYTES_MAX);
    uint32_t is_inside = 0; /* a word goes on from the window before */
    for (size_t at = 0; at < head.size; at += WINDOW_BYTES) {
        uint32_t letters = letters_at(head, at);
        uint32_t begins = letters & ~(letters << 1 | is_inside);
        is_inside = letters >> (WINDOW_BYTES - 1);
        for (; begins != 0; begins &= begins - 1) {
            if (begins_any(head, at + (size_t)__builtin_ctz(begins), parts)) {
                return true;
            }
        }
    }
    return false;
}

bool words_blame_another(struct slice words) {
    return has_any(words, &of_blame);
}

enum tone words_tone(struct slice error_class, struct slice message) {
    if (words_blame_another(error_class) || words_blame_another(message)) {
        return TONE_BLAME;
    }
    return has_any(error_class, &of_oneself) || has_any(message, &of_oneself) ? TONE_OWN
                                                                              : TONE_NEUTRAL;
}

bool words_tell_trouble(struct slice words) {
    return has_any(words, &of_trouble);
}
