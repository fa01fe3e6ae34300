/* config_world.h - a configuration in a scratch directory, and what is wrong with it. */
#pragma once

#include "core/config.h"
#include "tests/base/scratch.h"

struct world {
    char directory[32];
    char path[64];
    char words[8192];
    struct config_errors errors;
    struct config *config;
};

int set_up(void **state);
int tear_down(void **state);
void write_file(const char *path, const char *words);
/* `words`: quell.toml, NULL for none; one --set at most. */
MUST_CHECK struct status load(struct world *world, const char *words, const char *override);
/* "…/quell.toml:line:column: words", as the errors say it. */
void assert_says(struct world *world, const char *place, const char *words);
