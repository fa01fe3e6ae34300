/* text_parse.c - numbers, sizes, hex, globs and near words. See text.h. */
#include "core/base/text.h"

#include "core/base/assert.h"

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

static bool is_digit(uint8_t byte) {
    return byte >= '0' && byte <= '9';
}

static uint64_t load_u64(const uint8_t *at) {
    uint64_t word;
    memcpy(&word, at, sizeof(word));
    return word;
}

/* One byte eight times. */
static const uint64_t each_byte = UINT64_C(0x0101010101010101);

/* Eight decimal digits at once, the first one in the lowest byte: neighbours are joined to pairs,
 * pairs to fours, fours to eight. False when one is no digit. */
static bool take_eight_digits(const uint8_t *at, uint64_t *value_out) {
    uint64_t word = load_u64(at);
    uint64_t high = word & (each_byte * 0xF0);
    uint64_t high_of_six_more = (word + each_byte * 6) & (each_byte * 0xF0);
    if (((high ^ each_byte * 0x30) | (high_of_six_more ^ each_byte * 0x30)) != 0) {
        return false;
    }
    word = (word & each_byte * 0x0F) * (10 * 256 + 1) >> 8;
    word = (word & UINT64_C(0x00FF00FF00FF00FF)) * (100 * 65536 + 1) >> 16;
    *value_out = (word & UINT64_C(0x0000FFFF0000FFFF)) * ((UINT64_C(10000) << 32) + 1) >> 32;
    return true;
}

enum { U64_DIGITS_SURE = 19 }; /* so many always fit */

struct status text_parse_u64(struct slice text, uint64_t *value_out) {
    uint64_t value = 0;
    uint64_t eight = 0;
    size_t at = 0;
    if (text.size == 0) {
        return status_of(STATUS_INVALID);
    }
    while (text.size - at >= 8 && at + 8 <= U64_DIGITS_SURE) {
        if (!take_eight_digits(text.data + at, &eight)) {
            return status_of(STATUS_INVALID);
        }
        value = value * 100000000 + eight;
        at += 8;
    }
    for (; at < text.size && at < U64_DIGITS_SURE; at++) {
        if (!is_digit(text.data[at])) {
            return status_of(STATUS_INVALID);
        }
        value = value * 10 + (uint64_t)(text.data[at] - '0');
    }
    for (; at < text.size; at++) {
        if (!is_digit(text.data[at]) || __builtin_mul_overflow(value, 10, &value) ||
            __builtin_add_overflow(value, (uint64_t)(text.data[at] - '0'), &value)) {
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

/* Eight hex digits at once to four bytes. Each byte's value is its low nibble, and 9 more for what
 * has a letter's bit; written out again it must be the digit that was there. */
static bool take_eight_hex_digits(const uint8_t *at, uint8_t *four_bytes_out) {
    uint64_t word = load_u64(at);
    uint64_t letters = (word >> 6) & each_byte;
    uint64_t values = (word & each_byte * 0x0F) + letters * 9;
    uint64_t above_nine = ((values + each_byte * 6) >> 4) & each_byte;
    uint64_t written = values + each_byte * '0' + above_nine * ('a' - 10 - '0');
    if ((values & each_byte * 0xF0) != 0 || written != (word | letters << 5)) {
        return false;
    }
    uint64_t bytes = (values << 4 | values >> 8) & UINT64_C(0x00FF00FF00FF00FF);
    bytes = (bytes | bytes >> 8) & UINT64_C(0x0000FFFF0000FFFF);
    uint32_t four = (uint32_t)(bytes | bytes >> 16);
    memcpy(four_bytes_out, &four, sizeof(four));
    return true;
}

#if defined(__SSE2__)
enum { HEX_VECTOR_DIGITS = 16 };

/* Sixteen at once to eight bytes: a value for each, of digits and of letters, then the first of
 * each pair four bits up. */
static bool take_sixteen_hex_digits(const uint8_t *at, uint8_t *eight_bytes_out) {
    __m128i text = _mm_loadu_si128((const __m128i *)at);
    __m128i digit = _mm_sub_epi8(text, _mm_set1_epi8('0'));
    __m128i letter = _mm_sub_epi8(_mm_or_si128(text, _mm_set1_epi8(0x20)), _mm_set1_epi8('a'));
    __m128i is_digit = _mm_cmpeq_epi8(_mm_min_epu8(digit, _mm_set1_epi8(9)), digit);
    __m128i is_letter = _mm_cmpeq_epi8(_mm_min_epu8(letter, _mm_set1_epi8(5)), letter);
    __m128i values =
        _mm_or_si128(_mm_and_si128(is_digit, digit),
                     _mm_and_si128(is_letter, _mm_add_epi8(letter, _mm_set1_epi8(10))));
    __m128i pairs = _mm_and_si128(
        _mm_or_si128(_mm_slli_epi16(values, 4), _mm_srli_epi16(values, 8)), _mm_set1_epi16(0x00FF));
    _mm_storel_epi64((__m128i *)eight_bytes_out, _mm_packus_epi16(pairs, pairs));
    return _mm_movemask_epi8(_mm_or_si128(is_digit, is_letter)) == 0xFFFF;
}
#endif

static bool take_hex_pair(const uint8_t *at, uint8_t *byte_out) {
    uint8_t four[4] = {0};
    uint8_t eight[8] = {at[0], at[1], '0', '0', '0', '0', '0', '0'};
    bool is_hex = take_eight_hex_digits(eight, four);
    *byte_out = four[0];
    return is_hex;
}

struct status text_parse_hex(struct slice text, uint8_t *bytes_out, size_t size) {
    bool is_hex = text.size == 2 * size;
    size_t at = 0;
#if defined(__SSE2__)
    for (; is_hex && size - at >= HEX_VECTOR_DIGITS / 2; at += HEX_VECTOR_DIGITS / 2) {
        is_hex = take_sixteen_hex_digits(text.data + 2 * at, bytes_out + at);
    }
#endif
    for (; is_hex && size - at >= 4; at += 4) {
        is_hex = take_eight_hex_digits(text.data + 2 * at, bytes_out + at);
    }
    for (; is_hex && at < size; at++) {
        is_hex = take_hex_pair(text.data + 2 * at, bytes_out + at);
    }
    return is_hex ? status_ok() : status_of(STATUS_INVALID);
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

enum { DISTANCE_BYTES_MAX = 64, BEGINNING_BYTES_MIN = 4 };

/* Levenshtein with neighbours that changed places, row by row. */
unsigned text_distance(struct slice a, struct slice b, unsigned limit) {
    unsigned rows[3][DISTANCE_BYTES_MAX + 1];
    if (a.size > DISTANCE_BYTES_MAX || b.size > DISTANCE_BYTES_MAX) {
        return limit + 1;
    }
    for (size_t j = 0; j <= b.size; j++) {
        rows[0][j] = (unsigned)j;
    }
    for (size_t i = 1; i <= a.size; i++) {
        unsigned *row = rows[i % 3];
        const unsigned *above = rows[(i + 2) % 3];
        row[0] = (unsigned)i;
        for (size_t j = 1; j <= b.size; j++) {
            unsigned cost = above[j - 1] + (a.data[i - 1] == b.data[j - 1] ? 0 : 1);
            unsigned step = (above[j] < row[j - 1] ? above[j] : row[j - 1]) + 1;
            row[j] = cost < step ? cost : step;
            bool is_swapped =
                i > 1 && j > 1 && a.data[i - 1] == b.data[j - 2] && a.data[i - 2] == b.data[j - 1];
            unsigned swap = is_swapped ? rows[(i + 1) % 3][j - 2] + 1 : row[j];
            row[j] = swap < row[j] ? swap : row[j];
        }
    }
    unsigned distance = rows[a.size % 3][b.size];
    return distance <= limit ? distance : limit + 1;
}

/* Half of a short word may be mistyped: "htp" may be "http", "x" may be nothing. */
struct text_guess text_guess_of(struct slice word) {
    unsigned distance_max = word.size / 2 < 3 ? (unsigned)(word.size / 2) : 3;
    return (struct text_guess){.word = word, .distance = distance_max + 1};
}

/* "tokens" may be the beginning of "tokens_sha256". */
static bool is_beginning(struct slice word, struct slice candidate) {
    return word.size >= BEGINNING_BYTES_MIN && slice_starts_with(candidate, word);
}

void text_guess_try(struct text_guess *guess, const char *candidate) {
    struct slice name = slice_of_text(candidate);
    unsigned distance = text_distance(guess->word, name, guess->distance);
    if (distance >= guess->distance && guess->nearest == NULL && is_beginning(guess->word, name)) {
        guess->nearest = candidate; /* anything that is near wins over it */
    }
    if (distance < guess->distance) {
        guess->distance = distance;
        guess->nearest = candidate;
    }
}

void text_add_guess(struct text *text, const struct text_guess *guess) {
    if (guess->nearest != NULL) {
        text_add_format(text, ": did you mean \"%s\"?", guess->nearest);
    }
}
