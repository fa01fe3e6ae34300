/*
 * json_index_test.c - every level of json_index against a byte-by-byte reference, on random text
 * that is dense in what matters: quotes, backslashes, operators, blanks, characters of many bytes.
 */
#include "ingest/json_index.h"

#include <stdlib.h>

#include "core/base/text.h"
#include "ingest/json_walk.h"
#include "tests/base/unit.h"

enum { TEXT_BYTES_MAX = 12000, ENTRIES_MAX = TEXT_BYTES_MAX + 2, ROUNDS = 400 };

struct outcome {
    uint32_t entries[ENTRIES_MAX];
    size_t count;
    bool is_error;
    size_t error_at;
};

static uint64_t next_random(uint64_t *seed) {
    *seed = *seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return *seed >> 33;
}

/* What json_index.h says, a byte at a time; of errors only that there is one. */
static void index_by_reference(struct slice text, struct outcome *outcome) {
    bool is_inside = false, is_scalar = false, has_escape = false, is_escaped = false;
    outcome->count = 0;
    outcome->is_error = !text_is_utf8(text);
    for (size_t i = 0; i < text.size; i++) {
        uint8_t byte = text.data[i];
        bool is_quote = byte == '"' && !is_escaped;
        bool is_operator = strchr("{}[]:,", byte) != NULL && byte != 0;
        bool is_blank = byte == ' ' || byte == '\t' || byte == '\n' || byte == '\r';
        bool is_word = !is_inside && !is_quote && !is_operator && !is_blank;
        is_escaped = byte == '\\' && !is_escaped;
        outcome->is_error |= is_inside && byte < 0x20;
        has_escape |= is_inside && is_escaped;
        if (is_quote || (!is_inside && is_operator) || (is_word && !is_scalar)) {
            bool is_marked = is_quote && is_inside && has_escape;
            outcome->entries[outcome->count++] = (uint32_t)i | (is_marked ? JSON_INDEX_ESCAPED : 0);
        }
        is_inside ^= is_quote;
        has_escape &= is_inside;
        is_scalar = is_word;
    }
    outcome->is_error |= is_inside;
    outcome->entries[outcome->count++] = (uint32_t)text.size;
}

static void index_by_level(struct slice text, enum json_level level, struct outcome *outcome) {
    static struct json_index index;
    json_index_init(&index, text, level);
    outcome->count = 0;
    outcome->is_error = false;
    outcome->error_at = 0;
    bool is_end = false;
    while (!is_end) {
        json_index_fill(&index);
        if (index.error != NULL) {
            outcome->is_error = true;
            outcome->error_at = index.error_at;
            assert_true(index.error_at <= text.size);
            return;
        }
        assert_true(index.count > 0 && index.count <= JSON_INDEX_ENTRIES_MAX);
        for (uint32_t i = 0; i < index.count; i++) {
            assert_true(outcome->count < ENTRIES_MAX);
            outcome->entries[outcome->count++] = index.entries[i];
        }
        is_end = index.entries[index.count - 1] == text.size;
    }
}

static size_t make_text(uint8_t *data, uint64_t *seed) {
    static const char *const outside[] = {"{",  "}",  "[",    "]",      ":", ",", " ",
                                          "\n", "12", "true", "-1.5e3", "x", "\t"};
    static const char *const inside[] = {
        "a", "\\\"", "\\\\", "\\n", "\\u00e4", "ä",
        "€", "😀",    "{",    "]",   ",",       "a long run of plain words without marks",
        ":", " "};
    size_t capacity = 1 + next_random(seed) % (TEXT_BYTES_MAX - 64);
    size_t size = 0;
    while (size < capacity) {
        if (next_random(seed) % 3 != 0) {
            const char *piece = outside[next_random(seed) % 13];
            memcpy(data + size, piece, strlen(piece));
            size += strlen(piece);
            continue;
        }
        data[size++] = '"';
        for (uint64_t n = next_random(seed) % 12; n > 0 && size < capacity; n--) {
            const char *piece = inside[next_random(seed) % 14];
            memcpy(data + size, piece, strlen(piece));
            size += strlen(piece);
        }
        data[size++] = '"';
    }
    return size;
}

static void compare_levels(struct slice text, uint64_t seed) {
    static struct outcome wanted, got, plain;
    index_by_reference(text, &wanted);
    index_by_level(text, JSON_LEVEL_PLAIN, &plain);
    for (enum json_level level = 0; level < JSON_LEVEL_COUNT; level++) {
        if (!json_level_is_there(level)) {
            continue;
        }
        index_by_level(text, level, &got);
        if (got.is_error != wanted.is_error || got.error_at != plain.error_at) {
            fail_msg("seed %llu: level %d judges otherwise", (unsigned long long)seed, (int)level);
        }
        if (!wanted.is_error &&
            (got.count != wanted.count ||
             memcmp(got.entries, wanted.entries, got.count * sizeof(uint32_t)) != 0)) {
            fail_msg("seed %llu: level %d has other entries", (unsigned long long)seed, (int)level);
        }
    }
}

static void every_level_gives_the_entries_of_the_reference(void **state) {
    (void)state;
    static uint8_t data[TEXT_BYTES_MAX];
    for (uint64_t round = 0; round < ROUNDS; round++) {
        uint64_t seed = round + 1;
        compare_levels(slice_of(data, make_text(data, &seed)), round);
    }
}

static void every_level_finds_the_same_damage(void **state) {
    (void)state;
    static uint8_t data[TEXT_BYTES_MAX];
    static const uint8_t damage[] = {0,    1,    0x1F, '\n', 0x80, 0xC3,
                                     0xE2, 0xF0, 0xFF, '"',  0xED, '\\'};
    for (uint64_t round = 0; round < ROUNDS; round++) {
        uint64_t seed = round + 1000;
        size_t size = make_text(data, &seed);
        for (int i = 0; i < 4; i++) {
            data[next_random(&seed) % size] = damage[next_random(&seed) % sizeof(damage)];
            compare_levels(slice_of(data, size), round);
        }
    }
}

static void damage_is_found_at_its_place_across_steps(void **state) {
    (void)state;
    uint8_t text[200];
    for (size_t at = 1; at < 198; at++) {
        for (enum json_level level = 0; level < JSON_LEVEL_COUNT; level++) {
            static struct outcome got;
            memset(text, 'a', sizeof(text));
            text[0] = text[199] = '"';
            text[at] = 0xE2; /* the lead of three, alone */
            if (json_level_is_there(level)) {
                index_by_level(slice_of(text, sizeof(text)), level, &got);
                assert_true(got.is_error);
                assert_int_equal(got.error_at, at);
            }
        }
    }
}

static void a_bookmark_is_walked_again_after_its_window_is_gone(void **state) {
    (void)state;
    static char text[60000];
    struct arena arena = {0};
    struct text out = text_over(text, sizeof(text));
    text_add_text(&out, "{\"first\":[\"start\"");
    for (int i = 0; i < 5000; i++) {
        text_add_format(&out, ",%d", i);
    }
    text_add_text(&out, "],\"then\":\"\\u0041\"}");
    assert_status(arena_init(&arena, 1u << 16), OK);
    struct json_walk walk = json_walk_over(text_slice(&out), &arena);
    struct slice key, word, number;
    assert_true(json_enter_object(&walk) && json_next_member(&walk, &key));
    struct json_walk bookmark = walk;
    assert_true(json_skip(&walk, NULL));
    for (int pass = 0; pass < 2; pass++) {
        struct json_walk again = bookmark;
        assert_true(json_enter_array(&again) && json_next_element(&again));
        assert_true(json_take_string(&again, &word));
        assert_slice(word, "start");
        int count = 0;
        while (json_next_element(&again)) {
            assert_true(json_take_number(&again, &number));
            count++;
        }
        assert_null(again.error);
        assert_int_equal(count, 5000);
    }
    assert_true(json_next_member(&walk, &key) && json_take_string(&walk, &word));
    assert_slice(key, "then");
    assert_slice(word, "A");
    assert_false(json_next_member(&walk, &key));
    assert_true(json_finish(&walk));
    arena_deinit(&arena);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_level_gives_the_entries_of_the_reference),
        cmocka_unit_test(every_level_finds_the_same_damage),
        cmocka_unit_test(damage_is_found_at_its_place_across_steps),
        cmocka_unit_test(a_bookmark_is_walked_again_after_its_window_is_gone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
