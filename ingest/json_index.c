/* json_index.c - see json_index.h: choosing a level, the plain level, and the rare cases. */
#include "ingest/json_index.h"

#include "core/base/assert.h"
#include "core/base/text.h"
#include "ingest/json_index_step.h"

bool json_level_is_there(enum json_level level) {
    switch (level) {
#if defined(__x86_64__)
    case JSON_LEVEL_AVX2:
        return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("bmi2");
    case JSON_LEVEL_AVX512:
        return __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vbmi2") &&
               __builtin_cpu_supports("bmi2");
    case JSON_LEVEL_SSE2: /* every one has it */
#endif
    case JSON_LEVEL_PLAIN:
        return true;
    default:
        return false;
    }
}

enum json_level json_level_best(void) {
    enum json_level level = JSON_LEVEL_COUNT - 1;
    while (!json_level_is_there(level)) {
        level--;
    }
    return level;
}

void json_index_init(struct json_index *index, struct slice bytes, enum json_level level) {
    ASSERT(bytes.size <= JSON_TEXT_BYTES_MAX);
    ASSERT(json_level_is_there(level));
    index->bytes = bytes;
    index->level = level;
    index->generation = 0;
    index->count = 0;
    index->error = NULL;
    index->error_at = 0;
    json_index_seek(index, 0);
}

void json_index_seek(struct json_index *index, size_t at) {
    ASSERT(at <= index->bytes.size);
    index->next_at = at;
    index->count_max = JSON_INDEX_ENTRIES_FIRST;
    index->inside = 0;
    index->escaped = 0;
    index->scalar = 0;
    index->open_at = at;
    index->has_high = false;
    index->is_string_escaped = false;
}

void json_index_fail(struct json_index *index, size_t at, const char *words) {
    if (index->error == NULL) {
        index->error = words;
        index->error_at = at;
    }
}

/* Which bytes an odd backslash stands before; leaves in *backslash only those odd ones. */
uint64_t json_index_find_escaped(struct json_index *index, uint64_t *backslash) {
    uint64_t escaped = index->escaped;
    uint64_t left = *backslash & ~escaped;
    uint64_t odd = 0;
    index->escaped = 0;
    while (left != 0) {
        uint64_t bit = left & (0 - left);
        odd |= bit;
        escaped |= bit << 1;
        index->escaped = bit >> 63;
        left &= ~(bit | bit << 1);
    }
    *backslash = odd;
    return escaped;
}

/* Which closing quotes end a string with a backslash; carries an open one to the next step. */
uint64_t json_index_find_escaped_ends(struct json_index *index, uint64_t inside, uint64_t ends,
                                      uint64_t backslash) {
    uint64_t left = backslash & inside;
    uint64_t marked = 0;
    if (index->is_string_escaped) {
        marked = ends & (0 - ends);
        left = marked == 0 ? 0 : left & (0 - marked);
        index->is_string_escaped = marked == 0;
    }
    while (left != 0) {
        uint64_t bit = left & (0 - left);
        uint64_t behind = ends & (0 - bit);
        uint64_t end = behind & (0 - behind);
        marked |= end;
        index->is_string_escaped = end == 0;
        left = end == 0 ? 0 : left & (0 - end);
    }
    return marked;
}

static size_t find_bad_character(struct slice bytes, size_t at, size_t end) {
    while (at < end) {
        size_t size = 1;
        while (size <= 4 && size <= end - at && !text_is_utf8(slice_of(bytes.data + at, size))) {
            size++;
        }
        if (size > 4 || size > end - at) {
            break;
        }
        at += size;
    }
    return at;
}

/* The bytes from high_at to `end`, where a character ends. */
void json_index_check_high(struct json_index *index, size_t end) {
    index->has_high = false;
    if (!text_is_utf8(slice_of(index->bytes.data + index->high_at, end - index->high_at))) {
        json_index_fail(index, find_bad_character(index->bytes, index->high_at, end),
                        "the text is not UTF-8");
    }
}

/* `end`, or the start of a character that may go on behind it. */
static size_t find_character_edge(struct slice bytes, size_t start, size_t end) {
    static const uint8_t leads[3] = {0xC0, 0xE0, 0xF0};
    for (size_t back = 1; back <= 3 && back <= end - start; back++) {
        uint8_t byte = bytes.data[end - back];
        if (byte >= leads[back - 1]) {
            return end - back;
        }
        if (byte >= 0xC0 || byte < 0x80) {
            return end;
        }
    }
    return end;
}

void json_index_close_window(struct json_index *index) {
    bool is_end = index->next_at == index->bytes.size;
    if (index->inside != 0 && index->count > 0) {
        index->open_at = index->entries[index->count - 1];
    }
    if (index->has_high) {
        size_t edge = is_end ? index->next_at
                             : find_character_edge(index->bytes, index->high_at, index->next_at);
        json_index_check_high(index, edge);
        index->has_high = !is_end;
        index->high_at = edge;
    }
    if (is_end) {
        if (index->inside != 0) {
            json_index_fail(index, index->open_at, "the string has no end");
        }
        index->entries[index->count++] = (uint32_t)index->bytes.size;
    }
}

/* --- The plain level --- */

enum {
    CLASS_QUOTE = 1,
    CLASS_BACKSLASH = 2,
    CLASS_CONTROL = 4,
    CLASS_OPERATOR = 8,
    CLASS_BLANK = 16
};

static const uint8_t classes[128] = {
    [0 ... 8] = CLASS_CONTROL,
    [0x0B] = CLASS_CONTROL,
    [0x0C] = CLASS_CONTROL,
    [0x0E ... 0x1F] = CLASS_CONTROL,
    ['\t'] = CLASS_CONTROL | CLASS_BLANK,
    ['\n'] = CLASS_CONTROL | CLASS_BLANK,
    ['\r'] = CLASS_CONTROL | CLASS_BLANK,
    [' '] = CLASS_BLANK,
    ['"'] = CLASS_QUOTE,
    ['\\'] = CLASS_BACKSLASH,
    ['{'] = CLASS_OPERATOR,
    ['}'] = CLASS_OPERATOR,
    ['['] = CLASS_OPERATOR,
    [']'] = CLASS_OPERATOR,
    [':'] = CLASS_OPERATOR,
    [','] = CLASS_OPERATOR,
};

JSON_STEP struct json_masks classify_plain(const uint8_t *block) {
    struct json_masks masks = {0};
    for (unsigned i = 0; i < JSON_INDEX_STEP_BYTES; i++) {
        uint64_t class = block[i] < 0x80 ? classes[block[i]] : 0;
        masks.high |= (uint64_t)(block[i] >> 7) << i;
        masks.quote |= (class & 1) << i;
        masks.backslash |= (class >> 1 & 1) << i;
        masks.control |= (class >> 2 & 1) << i;
        masks.operator|=(class >> 3 & 1) << i;
        masks.blank |= (class >> 4 & 1) << i;
    }
    return masks;
}

void json_fill_plain(struct json_index *index) {
    json_fill_with(index, classify_plain, json_write_each);
}

void json_index_fill(struct json_index *index) {
    static void (*const fills[JSON_LEVEL_COUNT])(struct json_index *) = {
        [JSON_LEVEL_PLAIN] = json_fill_plain,
#if defined(__x86_64__)
        [JSON_LEVEL_SSE2] = json_fill_sse2,
        [JSON_LEVEL_AVX2] = json_fill_avx2,
        [JSON_LEVEL_AVX512] = json_fill_avx512,
#endif
    };
    ASSERT(index->error == NULL);
    index->generation++;
    fills[index->level](index);
    index->count_max = JSON_INDEX_ENTRIES_MAX;
    ASSERT(index->count > 0 || index->error != NULL);
}
