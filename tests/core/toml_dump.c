/* toml_dump.c - a TOML file as the tagged JSON of toml-test; exit 1 with the error when it is none.
 */
#include <stdio.h>
#include <stdlib.h>

#include "core/base/limits.h"
#include "core/config_toml.h"

static const char *type_of(enum toml_kind kind) {
    static const char *const names[] = {
        [TOML_STRING] = "string",
        [TOML_INTEGER] = "integer",
        [TOML_FLOAT] = "float",
        [TOML_BOOLEAN] = "bool",
        [TOML_DATE] = "date-local",
        [TOML_TIME] = "time-local",
        [TOML_DATE_TIME] = "datetime-local",
        [TOML_DATE_TIME_OFFSET] = "datetime",
    };
    return names[kind];
}

static void dump(struct text *json, const struct toml_value *value) {
    bool is_table = value->kind == TOML_TABLE;
    if (!is_table && value->kind != TOML_ARRAY) {
        text_add_format(json, "{\"type\":\"%s\",\"value\":", type_of(value->kind));
        text_add_json_string(json, value->text);
        text_add_char(json, '}');
        return;
    }
    text_add_char(json, is_table ? '{' : '[');
    for (uint32_t i = 0; i < value->children_count; i++) {
        text_add_text(json, i == 0 ? "" : ",");
        if (is_table) {
            text_add_json_string(json, value->children[i].key);
            text_add_char(json, ':');
        }
        dump(json, &value->children[i]);
    }
    text_add_char(json, is_table ? '}' : ']');
}

int main(int count, char **words) {
    static char input[1 << 20];
    static char output[1 << 22];
    struct arena arena;
    struct toml_value root;
    struct fault fault;
    FILE *file = count == 2 ? fopen(words[1], "rb") : NULL;
    if (file == NULL || !status_is_ok(arena_init(&arena, 64 * MIB))) {
        return 2;
    }
    struct toml_source source = {SLICE("file"),
                                 slice_of(input, fread(input, 1, sizeof(input), file))};
    (void)fclose(file);
    if (!status_is_ok(toml_parse(&source, 1, &arena, &root, &fault))) {
        (void)fprintf(stderr, "%s\n", fault.words);
        return 1;
    }
    struct text json = text_over(output, sizeof(output));
    dump(&json, &root);
    (void)puts(output);
    arena_deinit(&arena);
    return json.truncated ? 2 : 0;
}
