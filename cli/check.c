/* check.c - `quell check`: is the configuration sound? */
#include <stdio.h>
#include <unistd.h>

#include "cli/commands.h"

int command_check(const struct cli_options *options) {
    if (cli_option(options, "--data") != NULL) {
        return check_data(options);
    }
    struct config *config = NULL;
    struct cli_options named = *options;
    if (named.config_path == NULL) {
        named.config_path = cli_word(options, 0);
    }
    if (!status_is_ok(cli_load_config(&named, &config))) {
        return 1;
    }
    if (cli_option(options, "--explain") != NULL) {
        int code = explain_route(options, config);
        config_release(config);
        return code;
    }
    char tenants_dir[4096];
    struct text text = text_over(tenants_dir, sizeof(tenants_dir));
    text_add(&text, config->tenants_dir);
    if (config->tenants_count == 0 && access(tenants_dir, X_OK) != 0) {
        (void)printf("note: there is no directory %s, so no tenant has a file\n", tenants_dir);
    }
    (void)printf("ok: %u tenants, %u sinks\n", config->policies.tenants_count, config->sinks_count);
    config_release(config);
    return 0;
}
