/* check.c - `quell check`: is the configuration sound? */
#include <stdio.h>
#include <unistd.h>

#include "cli/commands.h"
#include "core/clock.h"

/* What is no error, and yet hardly meant. */
static void print_notes(const struct config *config) {
    char tenants_dir[4096];
    struct text text = text_over(tenants_dir, sizeof(tenants_dir));
    text_add(&text, config->tenants_dir);
    if (text.size == 0) {
        (void)printf("note: tenants_dir = \"\", so no tenant has a file\n");
    } else if (config->tenants_count == 0 && access(tenants_dir, X_OK) != 0) {
        (void)printf("note: there is no directory %s, so no tenant has a file\n", tenants_dir);
    }
    char certificate[256];
    struct text words = text_over(certificate, sizeof(certificate));
    if (tls_validity_is_odd(&config->tls.validity, clock_wall_ns(), &words)) {
        (void)printf("note: %s\n", certificate);
    }
    if (config->auth_mode == AUTH_TOKEN && config_count_tokens(config, CONFIG_ROLE_TENANT) == 0 &&
        config->certificates_count == 0) {
        (void)printf("note: auth.mode = \"token\", and no tenant has a token or a certificate: "
                     "who sends events by HTTP or gRPC is refused\n");
    }
    if (config->auth_mode == AUTH_TOKEN && !config_address_is_loopback(config->listen_console) &&
        config_count_tokens(config, CONFIG_ROLE_OPERATOR) == 0 &&
        config_count_tokens(config, CONFIG_ROLE_METRICS) == 0) {
        (void)printf("note: nobody can read /metrics: listen.console is not on loopback, and there "
                     "are no auth.operator_tokens_sha256 and no auth.metrics_tokens_sha256\n");
    }
}

/* What would not be looked at, and seem to be checked. */
static bool are_words_good(const struct cli_options *options) {
    const char *data = cli_option(options, "--data");
    const char *first = data != NULL ? data : options->config_path;
    const char *word = cli_word(options, 0);
    if (first != NULL && word != NULL) {
        (void)fprintf(stderr, "quell: checks \"%s\", not also \"%s\": one at a time\n", first,
                      word);
    } else if (data == NULL && cli_option(options, "--json") != NULL) {
        (void)fprintf(stderr, "quell: --json goes with --data\n");
    } else if (cli_option(options, "--explain") == NULL && cli_option(options, "--at") != NULL) {
        (void)fprintf(stderr, "quell: --at goes with --explain\n");
    } else {
        return true;
    }
    return false;
}

int command_check(const struct cli_options *options) {
    if (!are_words_good(options)) {
        return 2;
    }
    if (cli_option(options, "--data") != NULL) {
        return check_data(options);
    }
    struct config *config = NULL;
    struct cli_options named = *options;
    if (named.config_path == NULL) {
        named.config_path = cli_word(options, 0);
    }
    cli_settle_config_path(&named);
    if (!status_is_ok(cli_load_config(&named, &config))) {
        return 1;
    }
    if (cli_option(options, "--explain") != NULL) {
        int code = explain_route(options, config);
        config_release(config);
        return code;
    }
    print_notes(config);
    (void)printf("ok: %u tenant%s, %u sink%s\n", config->policies.tenants_count,
                 config->policies.tenants_count == 1 ? "" : "s", config->sinks_count,
                 config->sinks_count == 1 ? "" : "s");
    config_release(config);
    return 0;
}
