/* text_parse.c - numbers, sizes, hex, globs and near words. See text.h. */
#include "core/base/text.h"

#include "core/base/assert.h"

static bool is_digit(uint8_t byte) {
    return byte >= '0' && byte <= '9';
}

struct status text_parse_u64(struct slice text, uint64_t *value_out) {
    uint64_t value = 0;
    if (text.size == 0) {
        return status_of(STATUS_INVALID);
    }
    for (size_t i = 0; i < text.size; i++) {
        if (!is_digit(text.data[i]) || __builtin_mul_overflow(value, 10, &value) ||
            __builtin_add_overflow(value, (uint64_t)(text.data[i] - '0'), &value)) {
            return status_of(STATUS_INVALID);
        }
    }
    *value_out = value;
    return status_ok();
}

struct status text_parse_size(struct slice text, uint64_t *bytes_out) {
    static const struct {
        const char *unit;
        uint64_t bytes;
    } units[] = {{"", 1},
                 {"B", 1},
                 {"KiB", 1u << 10},
                 {"MiB", 1u << 20},
                 {"GiB", 1u << 30},
                 {"TiB", UINT64_C(1) << 40},
                 {"KB", 1000},
                 {"kB", 1000},
                 {"MB", 1000000},
                 {"GB", 1000000000},
                 {"TB", UINT64_C(1000000000000)}};
    size_t digits = 0;
    while (digits < text.size && is_digit(text.data[digits])) {
        digits++;
    }
    uint64_t value = 0;
    TRY(text_parse_u64(slice_head(text, digits), &value));
    struct slice unit = slice_trim(slice_tail(text, digits));
    for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
        if (slice_equals(unit, slice_of_text(units[i].unit))) {
            uint64_t bytes = 0;
            if (__builtin_mul_overflow(value, units[i].bytes, &bytes)) {
                return status_of(STATUS_INVALID);
            }
            *bytes_out = bytes;
            return status_ok();
        }
    }
    return status_of(STATUS_INVALID);
}

/* The value of a hex digit; HEX_BAD for what is none. */
enum { HEX_BAD = 0x80 };
static const uint8_t hex_values[256] = {
#define BAD4 HEX_BAD, HEX_BAD, HEX_BAD, HEX_BAD
#define BAD16 BAD4, BAD4, BAD4, BAD4
#define LETTERS HEX_BAD, 10, 11, 12, 13, 14, 15, HEX_BAD, BAD4, BAD4
    BAD16, BAD16, BAD16, 0,       1,       2,     3,       4,     5,       6,
    7,     8,     9,     HEX_BAD, HEX_BAD, BAD4,  LETTERS, BAD16, LETTERS, BAD16,
    BAD16, BAD16, BAD16, BAD16,   BAD16,   BAD16, BAD16,   BAD16,
#undef LETTERS
#undef BAD16
#undef BAD4
};

struct status text_parse_hex(struct slice text, uint8_t *bytes_out, size_t size) {
    if (text.size != 2 * size) {
        return status_of(STATUS_INVALID);
    }
    uint8_t seen = 0;
    for (size_t i = 0; i < text.size; i++) {
        seen |= hex_values[text.data[i]];
    }
    if ((seen & HEX_BAD) != 0) {
        return status_of(STATUS_INVALID);
    }
    for (size_t i = 0; i < size; i++) {
        bytes_out[i] =
            (uint8_t)(hex_values[text.data[2 * i]] << 4 | hex_values[text.data[2 * i + 1]]);
    }
    return status_ok();
}

/* After a mismatch behind a '*', the star takes one byte more: linear for one star, and bounded by
 * the text's size times the glob's at worst, without recursion. */
bool text_matches_glob(struct slice text, struct slice glob) {
    size_t at = 0;
    size_t in_glob = 0;
    size_t star = SIZE_MAX;
    size_t resume = 0;
    while (at < text.size) {
        if (in_glob < glob.size && glob.data[in_glob] == '*') {
            star = in_glob++;
            resume = at;
        } else if (in_glob < glob.size &&
                   (glob.data[in_glob] == '?' || glob.data[in_glob] == text.data[at])) {
            in_glob++;
            at++;
        } else if (star != SIZE_MAX) {
            in_glob = star + 1;
            at = ++resume;
        } else {
            return false;
        }
    }
    while (in_glob < glob.size && glob.data[in_glob] == '*') {
        in_glob++;
    }
    return in_glob == glob.size;
}

enum { DISTANCE_BYTES_MAX = 64 };

/* Levenshtein, row by row. */
unsigned text_distance(struct slice a, struct slice b, unsigned limit) {
    unsigned row[DISTANCE_BYTES_MAX + 1];
    if (a.size > DISTANCE_BYTES_MAX || b.size > DISTANCE_BYTES_MAX) {
        return limit + 1;
    }
    for (size_t j = 0; j <= b.size; j++) {
        row[j] = (unsigned)j;
    }
    for (size_t i = 1; i <= a.size; i++) {
        unsigned diagonal = row[0];
        row[0] = (unsigned)i;
        for (size_t j = 1; j <= b.size; j++) {
            unsigned cost = diagonal + (a.data[i - 1] == b.data[j - 1] ? 0 : 1);
            diagonal = row[j];
            unsigned step = (row[j] < row[j - 1] ? row[j] : row[j - 1]) + 1;
            row[j] = cost < step ? cost : step;
        }
    }
    return row[b.size] <= limit ? row[b.size] : limit + 1;
}
