/* json_walk_test.c - the walker against RFC 8259 and hostile text. */
#include "core/base/limits.h"
#include "ingest/json_walk.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>

#include "tests/base/unit.h"

static bool is_json(struct slice text, struct fault *fault) {
    struct arena arena = {0};
    assert_status(arena_init(&arena, 1u << 16), OK);
    struct json_walk walk = json_walk_over(text, &arena);
    bool is_good = json_skip(&walk, NULL) && json_finish(&walk);
    if (!is_good) {
        json_explain(&walk, fault);
    }
    arena_deinit(&arena);
    return is_good;
}

static size_t read_file(const char *folder, const char *name, uint8_t *data, size_t capacity) {
    char path[1400];
    snprintf(path, sizeof(path), "%s/%s", folder, name);
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    size_t size = fread(data, 1, capacity, file);
    fclose(file);
    assert_true(size < capacity);
    return size;
}

static void every_case_of_the_public_suite_is_judged_as_named(void **state) {
    static uint8_t data[1u << 20];
    const char *folder = "../shared/data/json/test_parsing";
    struct fault fault;
    unsigned count = 0;
    char path[1024];
    if (*state != NULL) {
        snprintf(path, sizeof(path), "%s/json/test_parsing", (const char *)*state);
        folder = path;
    }
    DIR *directory = opendir(folder);
    if (directory == NULL) {
        print_message("missing: %s\n", folder);
        assert_null(getenv("CI"));
        skip();
    }
    for (struct dirent *entry; (entry = readdir(directory)) != NULL;) {
        if (entry->d_name[0] == '.') {
            continue;
        }
        size_t size = read_file(folder, entry->d_name, data, sizeof(data));
        bool is_good = is_json(slice_of(data, size), &fault);
        char kind = entry->d_name[0];
        if ((kind == 'y' && !is_good) || (kind == 'n' && is_good)) {
            fail_msg("%s was judged wrongly", entry->d_name);
        }
        count++;
    }
    closedir(directory);
    assert_true(count >= 283);
}

static void errors_name_line_and_column(void **state) {
    static const struct {
        const char *text;
        const char *words;
    } cases[] = {
        {"{\n \"a\": tru}", "not a known word at line 2 column 7"},
        {"[1,\n2", "',' or ']' is due at line 2 column 2"},
        {"\"ab", "the string has no end at line 1 column 1"},
        {"[\"\xC3\x28\"]", "the text is not UTF-8 at line 1 column 3"},
        {"{} x", "something follows the value at line 1 column 4"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct fault fault;
        assert_false(is_json(slice_of_text(cases[i].text), &fault));
        assert_string_equal(fault.words, cases[i].words);
    }
}

static void nesting_ends_at_its_bound(void **state) {
    char text[2 * JSON_DEPTH_MAX];
    struct fault fault;
    memset(text, '[', JSON_DEPTH_MAX);
    memset(text + JSON_DEPTH_MAX, ']', JSON_DEPTH_MAX);
    assert_true(is_json(slice_of(text, sizeof(text)), &fault));
    memset(text, '[', JSON_DEPTH_MAX + 1);
    assert_false(is_json(slice_of(text, JSON_DEPTH_MAX + 1), &fault));
    assert_string_equal(fault.words, "nested too deeply at line 1 column 161");
}

static void escapes_are_undone_in_the_arena(void **state) {
    struct arena arena = {0};
    struct slice text;
    assert_status(arena_init(&arena, 1u << 16), OK);
    struct json_walk walk = json_walk_over(SLICE("\"a\\n\\u00e4\\uD83D\\uDE00\\uD800-\""), &arena);
    assert_true(json_take_string(&walk, &text));
    assert_slice(text, "a\n\xC3\xA4\xF0\x9F\x98\x80\xEF\xBF\xBD-");
    arena_deinit(&arena);
}

static void every_cut_of_a_text_is_refused(void **state) {
    struct slice text =
        SLICE("{\"a\":[1.5e3,true,null,\"x\\u0041 long enough for a block\"],\"b\":{}}");
    struct fault fault;
    assert_true(is_json(text, &fault));
    for (size_t size = 0; size < text.size; size++) {
        assert_false(is_json(slice_head(text, size), &fault));
    }
}

int main(int argc, char **argv) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_prestate(every_case_of_the_public_suite_is_judged_as_named,
                                  argc > 1 ? argv[1] : NULL),
        cmocka_unit_test(errors_name_line_and_column),
        cmocka_unit_test(nesting_ends_at_its_bound),
        cmocka_unit_test(escapes_are_undone_in_the_arena),
        cmocka_unit_test(every_cut_of_a_text_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
