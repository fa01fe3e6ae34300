/* config_world.c - see config_world.h. */
#include "tests/core/config_world.h"

#include <stdio.h>
#include <stdlib.h>

int set_up(void **state) {
    struct world *world = calloc(1, sizeof(*world));
    scratch_make(world->directory, sizeof(world->directory));
    snprintf(world->path, sizeof(world->path), "%s/quell.toml", world->directory);
    *state = world;
    return 0;
}

int tear_down(void **state) {
    struct world *world = *state;
    config_release(world->config);
    scratch_remove(world->directory);
    free(world);
    return 0;
}

void write_file(const char *path, const char *words) {
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_true(fputs(words, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

struct status load(struct world *world, const char *words, const char *override) {
    struct config_options options = {
        .path = words == NULL ? NULL : world->path,
        .overrides = &override,
        .overrides_count = override == NULL ? 0 : 1,
    };
    if (words != NULL) {
        write_file(world->path, words);
    }
    config_release(world->config);
    world->config = NULL;
    world->errors.text = text_over(world->words, sizeof(world->words));
    return config_load(&options, &world->config, &world->errors);
}

void assert_says(struct world *world, const char *place, const char *words) {
    char line[512];
    snprintf(line, sizeof(line), "%s%s: %s", place[0] == '-' ? "" : world->path, place, words);
    if (strstr(world->words, line) == NULL) {
        fail_msg("\"%s\" is not in:\n%s", line, world->words);
    }
}
