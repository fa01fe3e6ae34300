/*
 * config_tls.c - [tls]: certificate, key and clients' authority, read and checked when the
 * configuration is, so that a reload with a bad certificate is refused whole.
 */
#include "core/config_rules.h"

enum { PEM_BYTES_MAX = 1024 * 1024, PATH_BYTES_MAX = 4096 };

/* Where the key was given; where it was not, the section. */
static const struct toml_value *place_of(const struct toml_value *section, const char *key) {
    const struct toml_value *given = config_child(section, key);
    return given != NULL ? given : section;
}

static bool read_pem(struct config_build *build, const struct toml_value *at, struct slice path,
                     struct slice *pem_out) {
    char name[PATH_BYTES_MAX];
    struct fault fault;
    if (path.size >= sizeof(name)) {
        config_error(build, at, "the path is too long");
        return false;
    }
    memcpy(name, path.data, path.size);
    name[path.size] = 0;
    if (!status_is_ok(config_read_file(name, PEM_BYTES_MAX, build->arena, pem_out, &fault))) {
        config_error(build, at, "%s", fault.words);
        return false;
    }
    return true;
}

/* Every file, also behind one that cannot be read. */
static bool read_files(struct config_build *build, const struct toml_value *section) {
    struct config_tls *tls = &build->config->tls;
    const struct {
        const char *key;
        struct slice path;
        struct slice *pem;
    } files[] = {
        {"cert_file", tls->cert_file, &tls->options.certificate_pem},
        {"key_file", tls->key_file, &tls->options.key_pem},
        {"client_ca_file", tls->client_ca_file, &tls->options.client_ca_pem},
    };
    bool is_good = true;
    for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
        if (files[i].path.size > 0 &&
            !read_pem(build, place_of(section, files[i].key), files[i].path, files[i].pem)) {
            is_good = false;
        }
    }
    return is_good;
}

static bool try_server(struct config_build *build, const struct toml_value *at,
                       const struct tls_options *options) {
    struct fault fault;
    struct tls_server *server = NULL;
    if (!status_is_ok(tls_server_open(options, &server, &fault))) {
        config_error(build, at, "%s", fault.words);
        return false;
    }
    tls_server_release(server);
    return true;
}

/* One after the other, so that each is told at its own key: the certificate by itself, with its
 * key, with the clients' authority. */
static bool check_files(struct config_build *build, const struct toml_value *section) {
    struct config_tls *tls = &build->config->tls;
    struct tls_options own = tls->options;
    struct fault fault;
    own.client_ca_pem = slice_of(NULL, 0);
    if (!status_is_ok(tls_read_validity(own.certificate_pem, &tls->validity, &fault))) {
        config_error(build, place_of(section, "cert_file"), "%s", fault.words);
        return false;
    }
    return try_server(build, place_of(section, "key_file"), &own) &&
           try_server(build, place_of(section, "client_ca_file"), &tls->options);
}

/* Whoever asks for certificates in so many words believes that nobody gets in without. */
static void check_client_auth(struct config_build *build, const struct toml_value *section) {
    const struct config_tls *tls = &build->config->tls;
    const struct toml_value *given = config_child(section, "client_auth");
    bool asks = given != NULL && (slice_equals(given->text, SLICE("request")) ||
                                  slice_equals(given->text, SLICE("require")));
    if (asks && tls->client_ca_file.size == 0) {
        config_error(build, given,
                     "tls.client_auth = \"%.*s\" asks nobody without tls.client_ca_file",
                     SLICE_PRINT(given->text));
    }
}

void config_read_tls(struct config_build *build, const struct toml_value *section) {
    struct config_tls *tls = &build->config->tls;
    if (section == NULL || section->kind != TOML_TABLE) {
        return; /* no TLS, or told as an error already */
    }
    check_client_auth(build, section);
    if (tls->cert_file.size == 0 || tls->key_file.size == 0) {
        const char *given = tls->cert_file.size > 0 ? "cert_file" : "key_file";
        config_error(build, place_of(section, given),
                     "TLS needs both tls.cert_file and tls.key_file");
        return;
    }
    if (!read_files(build, section) || !check_files(build, section)) {
        return;
    }
    if (!status_is_ok(tls_tickets_open(&tls->options.tickets))) {
        config_error(build, section, "no memory for TLS");
        return;
    }
    tls->is_on = true;
}

void config_keep_tickets(struct config *config, const struct config *before) {
    struct tls_options *options = &config->tls.options;
    const struct tls_options *known = &before->tls.options;
    if (options->tickets == NULL || known->tickets == NULL ||
        options->client_auth != known->client_auth ||
        !slice_equals(options->client_ca_pem, known->client_ca_pem)) {
        return;
    }
    tls_tickets_release(options->tickets);
    tls_tickets_acquire(known->tickets);
    options->tickets = known->tickets;
}
