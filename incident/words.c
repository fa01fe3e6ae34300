/*
 * words.c - what an error's words give away: whom they blame, that they tell of trouble. A fault of
 * one's own is one of one's code, data, configuration or resources, which no caller has because of
 * what it calls.
 *
 * Lists of beginnings of words in lower case. They are looked for in any case of letters, where a
 * word begins, in the first WORDS_BYTES_MAX bytes. They prove nothing; whoever asks weighs that.
 */
#include "incident/words.h"

#include "core/base/text.h"
#include "incident/words_scan.h"

#define WORDS_BYTES_MAX 512u

enum { LETTERS = SCAN_LETTERS, BEGINNINGS_MAX = 7 }; /* the last is NULL */

/* Of one first letter, so that a word is held against few; and against none of them when its second
 * or third letter is that of none. */
struct beginnings {
    const char *parts[BEGINNINGS_MAX];
    uint32_t seconds; /* a bit for each letter, and one for all that is none */
    uint32_t thirds;
};

#define IS(byte) (UINT32_C(1) << ((byte) >= 'a' && (byte) <= 'z' ? (byte) - 'a' : LETTERS))
#define FROM(letter, seconds, thirds, ...) [(letter) - 'a'] = {{__VA_ARGS__}, (seconds), (thirds)}

static const struct beginnings of_blame[LETTERS] = {
    FROM('b', IS('a') | IS('r'), IS('d') | IS('o'), "bad gateway", "broken pipe"),
    FROM('c', IS('o'), IS('n') | IS('u'), "connection refused", "connection reset", "could not co"),
    FROM('d', IS('e'), IS('a'), "deadline"),
    FROM('h', IS('t'), IS('t'), "http 502", "http 503", "http 504"),
    FROM('n', IS('o'), IS(' '), "no response"),
    FROM('t', IS('i'), IS('m'), "timeout", "timed out"),
    FROM('u', IS('n') | IS('p'), IS('a') | IS('r') | IS('s'), "unreachable", "unavailable",
         "upstream"),
};

static const struct beginnings of_oneself[LETTERS] = {
    FROM('a', IS('c') | IS('s'), IS('c') | IS('s'), "access denied", "assert"),
    FROM('b', IS('a') | IS('u'), IS('d') | IS('i'), "bad config", "bad deploy", "build fail"),
    FROM('c', IS('e') | IS('o') | IS('r'), IS('a') | IS('n') | IS('r'), "certificate",
         "concurrent map", "config", "constraint", "corrupt", "crash"),
    FROM('d', IS('i'), IS('s') | IS('v'), "disk", "division by"),
    FROM('k', IS('i'), IS('l'), "killed"),
    FROM('m', IS('e') | IS('i') | IS('o'), IS('d') | IS('g') | IS('m'), "memory leak", "migration",
         "module not"),
    FROM('n', IS('i') | IS('o') | IS('u'), IS(' ') | IS('l'), "nil ", "no space", "null"),
    FROM('o', IS('o') | IS('u') | IS('v'), IS('e') | IS('m') | IS('t'), "oom", "out of mem",
         "outofmem", "overflow"),
    FROM('p', IS('a') | IS('e'), IS('n') | IS('r'), "panic", "permission"),
    FROM('q', IS('u'), IS('o'), "quota"),
    FROM('r', IS('e'), IS('a'), "read-only"),
    FROM('s', IS('c') | IS('e') | IS('t') | IS('y'), IS('a') | IS('g') | IS('h') | IS('n'),
         "schema", "segfault", "segment", "stack overflow", "syntax"),
    FROM('t', IS('r') | IS('y'), IS('a') | IS('p'), "traceback", "type error", "typeerror"),
};

static const struct beginnings of_trouble[LETTERS] = {
    FROM('a', IS('b'), IS('o'), "aborted"),
    FROM('b', IS('r'), IS('o'), "broken"),
    FROM('c', IS('r'), IS('a'), "crash"),
    FROM('d', IS('e'), IS('a') | IS('g'), "deadline", "degrad"),
    FROM('e', IS('r') | IS('x'), IS('c') | IS('h') | IS('r'), "error", "exceed", "exhaust"),
    FROM('f', IS('a'), IS('i'), "fail"),
    FROM('n', IS('o'), IS(' '), "no resp"),
    FROM('o', IS('v'), IS('e'), "overloa"),
    FROM('p', IS('a'), IS('n'), "panic"),
    FROM('r', IS('e'), IS('f') | IS('j') | IS('s'), "refus", "reject", "reset"),
    FROM('s', IS('l') | IS('t'), IS('a') | IS('o'), "slow", "stall"),
    FROM('t', IS('h') | IS('i'), IS('m') | IS('r'), "timeout", "timed out", "throttl"),
    FROM('u', IS('n'), IS('a') | IS('r'), "unavail", "unreac"),
};

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

/* As IS: the byte there, 0 behind the end. */
static uint32_t bit_of(struct slice head, size_t at) {
    uint32_t letter = at < head.size ? (uint32_t)((head.data[at] | 0x20) - 'a') : LETTERS;
    return UINT32_C(1) << (letter < LETTERS ? letter : LETTERS);
}

/* Whether a part begins at the letter at `at`. */
static bool begins_any(struct slice head, size_t at, const struct beginnings *parts) {
    const struct beginnings *of_letter = &parts[(head.data[at] | 0x20) - 'a'];
    if ((of_letter->seconds & bit_of(head, at + 1)) == 0 ||
        (of_letter->thirds & bit_of(head, at + 2)) == 0) {
        return false;
    }
    for (uint32_t i = 0; of_letter->parts[i] != NULL; i++) {
        if (starts_with(slice_tail(head, at), of_letter->parts[i])) {
            return true;
        }
    }
    return false;
}

static uint32_t letters_at(struct slice head, size_t at) {
    uint8_t rest[SCAN_BYTES] = {0};
    if (head.size - at >= SCAN_BYTES) {
        return scan_letters_16(head.data + at);
    }
    memcpy(rest, head.data + at, head.size - at);
    return scan_letters_16(rest);
}

static bool has_any(struct slice words, const struct beginnings *parts) {
    struct slice head = slice_head(words, WORDS_BYTES_MAX);
    uint32_t is_inside = 0; /* a word goes on from the window before */
    for (size_t at = 0; at < head.size; at += SCAN_BYTES) {
        uint32_t letters = letters_at(head, at);
        uint32_t begins = letters & ~(letters << 1 | is_inside);
        is_inside = letters >> (SCAN_BYTES - 1);
        for (; begins != 0; begins &= begins - 1) {
            if (begins_any(head, at + (size_t)__builtin_ctz(begins), parts)) {
                return true;
            }
        }
    }
    return false;
}

bool words_blame_another(struct slice words) {
    return has_any(words, of_blame);
}

enum tone words_tone(struct slice error_class, struct slice message) {
    if (words_blame_another(error_class) || words_blame_another(message)) {
        return TONE_BLAME;
    }
    return has_any(error_class, of_oneself) || has_any(message, of_oneself) ? TONE_OWN
                                                                            : TONE_NEUTRAL;
}

#if defined(__x86_64__)
enum { ABB = 1, CS = 2, FP = 4, DO = 8, R = 16, E = 32, NU = 64, T = 128 };
#define AT(letter) [(letter)&0x1F]

/* of_trouble by groups of its first letters: (a, b), (c, s), (f, p), (d, o), r, e, (n, u), t. */
static const struct scan_groups groups_of_trouble = {
    {{AT('a') = ABB, AT('b') = ABB, AT('c') = CS, AT('d') = DO, AT('e') = E, AT('f') = FP,
      AT('n') = NU, AT('o') = DO, AT('p') = FP, AT('r') = R, AT('s') = CS, AT('t') = T,
      AT('u') = NU},
     {AT('a') = FP, AT('b') = ABB, AT('e') = DO | R, AT('h') = T, AT('i') = T, AT('l') = CS,
      AT('n') = NU, AT('o') = NU, AT('r') = ABB | CS | E, AT('t') = CS, AT('v') = DO, AT('x') = E},
     {AT(' ') = NU, AT('a') = CS | DO | NU, AT('c') = E, AT('e') = DO, AT('f') = R, AT('g') = DO,
      AT('h') = E, AT('i') = FP, AT('j') = R, AT('m') = T, AT('n') = FP, AT('o') = ABB | CS,
      AT('r') = E | NU | T, AT('s') = R},
     {AT('a') = E, AT('d') = DO, AT('e') = E | NU | R | T, AT('i') = FP, AT('k') = ABB,
      AT('l') = CS | FP, AT('o') = E | T, AT('r') = ABB | DO | NU, AT('s') = CS, AT('u') = R,
      AT('v') = NU, AT('w') = CS}}};

static bool is_letter(uint8_t byte) {
    return (uint8_t)((byte | 0x20) - 'a') < LETTERS;
}

/* As has_any with of_trouble. The last window may begin in the one before it, and no word of
 * trouble is as short as what is read behind it. */
__attribute__((target("avx2,bmi"))) static bool has_trouble_avx2(struct slice words) {
    uint8_t padded[SCAN_WIDE_READ] = {0};
    struct slice head = slice_head(words, WORDS_BYTES_MAX);
    if (head.size < SCAN_WIDE_READ) {
        slice_copy(head, padded);
        head = slice_of(padded, sizeof(padded));
    }
    size_t last = head.size - SCAN_WIDE_READ;
    for (size_t at = 0;; at = last - at < SCAN_WIDE_BYTES ? last : at + SCAN_WIDE_BYTES) {
        uint32_t is_inside = at > 0 && is_letter(head.data[at - 1]);
        uint32_t begins = scan_candidates(head.data + at, &groups_of_trouble, is_inside);
        for (; begins != 0; begins &= begins - 1) {
            if (begins_any(head, at + (size_t)__builtin_ctz(begins), of_trouble)) {
                return true;
            }
        }
        if (at == last) {
            return false;
        }
    }
}
#endif

bool words_tell_trouble(struct slice words) {
#if defined(__x86_64__)
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("bmi")) {
        return has_trouble_avx2(words);
    }
#endif
    return has_any(words, of_trouble);
}

static bool is_inside_character(uint8_t byte) {
    return (byte & 0xc0) == 0x80;
}

struct slice words_kept(struct slice message, size_t bytes_max) {
    if (message.size <= bytes_max) {
        return message;
    }
    if (!text_begins_trace(message)) {
        struct slice head = slice_head(message, bytes_max);
        while (head.size > 0 && is_inside_character(message.data[head.size])) {
            head.size--;
        }
        return head;
    }
    struct slice whole = text_without_blank_end(message);
    size_t start = whole.size > bytes_max ? whole.size - bytes_max : 0;
    struct slice tail = slice_tail(whole, start);
    size_t line = start == 0 ? 0 : slice_find_byte(tail, '\n') + 1;
    tail = line < tail.size ? slice_tail(tail, line) : tail;
    while (tail.size > 0 && is_inside_character(tail.data[0])) {
        tail = slice_tail(tail, 1);
    }
    return tail;
}
