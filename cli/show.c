/* show.c - see show.h. */
#include "cli/show.h"

#include <stdio.h>

#include "core/base/json_pick.h"

enum { VALUE_BYTES_MAX = 8192 };

static void show(struct slice value, int width) {
    char memory[VALUE_BYTES_MAX];
    char shown_memory[VALUE_BYTES_MAX];
    struct text text = text_over(memory, sizeof(memory));
    struct text shown = text_over(shown_memory, sizeof(shown_memory));
    json_pick_unescape(value, &text);
    text_add_printable(&shown, text_slice(&text));
    (void)printf("%-*s", width, shown_memory);
}

void show_value(struct slice value) {
    show(value, 0);
}

void show_member(struct slice object, const char *name) {
    show(json_pick(object, name), 0);
}

void show_column(struct slice object, const char *name, int width) {
    show(json_pick(object, name), width);
    (void)putchar(' ');
}
