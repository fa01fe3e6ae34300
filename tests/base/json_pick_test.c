/* json_pick_test.c - values out of JSON without a tree. */
#include "tests/base/unit.h"

#include <stdlib.h>

#include "core/base/json_pick.h"

static struct slice picked(const char *json, const char *name, char *memory, size_t size) {
    struct text text = text_over(memory, size);
    json_pick_text(slice_of_text(json), name, &text);
    return text_slice(&text);
}

static void only_own_members_are_found(void **state) {
    char memory[64];
    const char *json =
        "{\"a\":{\"title\":\"inner\"},\"b\":\"title\", \"title\" : \"outer\" ,\"n\":12}";
    assert_slice(picked(json, "title", memory, sizeof(memory)), "outer");
    assert_slice(json_pick(slice_of_text(json), "a"), "{\"title\":\"inner\"}");
    assert_int_equal(json_pick_u64(slice_of_text(json), "n"), 12);
    assert_int_equal(json_pick(slice_of_text(json), "none").size, 0);
    assert_int_equal(json_pick_u64(slice_of_text(json), "b"), 0);
}

static void strings_are_unescaped(void **state) {
    char memory[64];
    assert_slice(
        picked("{\"a\":\"x\\n\\\"\\\\\\u00e9\\ud83d\\udd25\\u0041\"}", "a", memory, sizeof(memory)),
        "x\n\"\\\xC3\xA9\xF0\x9F\x94\xA5"
        "A");
    assert_slice(picked("{\"a\":\"\\ud83dx\"}", "a", memory, sizeof(memory)), "\xEF\xBF\xBDx");
    assert_slice(picked("{\"a\":\"\\u12\"}", "a", memory, sizeof(memory)), "\xEF\xBF\xBD"
                                                                           "12");
}

static void items_come_one_after_the_other(void **state) {
    struct slice rest = SLICE("[ {\"a\":[1,2]} , \"],\" ,3]");
    struct slice item;
    assert_true(json_pick_item(&rest, &item));
    assert_slice(item, "{\"a\":[1,2]}");
    assert_true(json_pick_item(&rest, &item));
    assert_slice(item, "\"],\"");
    assert_true(json_pick_item(&rest, &item));
    assert_slice(item, "3");
    assert_false(json_pick_item(&rest, &item));
    rest = SLICE("[]");
    assert_false(json_pick_item(&rest, &item));
}

/* What a service answers may be cut or wrong anywhere: nothing is read past its end (ASan). */
static void damaged_json_is_read_within_its_bounds(void **state) {
    static const char json[] = "{\"ok\":true,\"x\":[1,{\"y\":\"\\u00e9\\\"\"}],\"ts\":\"1.2\"}";
    for (size_t size = 0; size < sizeof(json) - 1; size++) {
        char *copy = malloc(size + 1);
        char memory[32];
        struct text text = text_over(memory, sizeof(memory));
        assert_non_null(copy);
        memcpy(copy, json, size);
        struct slice cut = slice_of(copy + 0, size);
        json_pick_text(cut, "ts", &text);
        struct slice items = json_pick(cut, "x");
        struct slice item;
        while (json_pick_item(&items, &item)) {
            json_pick_text(item, "y", &text);
        }
        assert_true(text.size <= 8);
        free(copy);
    }
    char memory[8];
    assert_int_equal(picked("]]]]", "a", memory, sizeof(memory)).size, 0);
    assert_int_equal(picked("{\"a\":}}}", "a", memory, sizeof(memory)).size, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_own_members_are_found),
        cmocka_unit_test(strings_are_unescaped),
        cmocka_unit_test(items_come_one_after_the_other),
        cmocka_unit_test(damaged_json_is_read_within_its_bounds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
