/*
 * config_tls.c - [tls]: certificate, key and clients' authority, read and checked when the
 * configuration is, so that a reload with a bad certificate is refused whole.
 */
#include "core/config_rules.h"

enum { PEM_BYTES_MAX = 1024 * 1024, PATH_BYTES_MAX = 4096 };

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

void config_read_tls(struct config_build *build, const struct toml_value *section) {
    struct config *config = build->config;
    struct config_tls *tls = &config->tls;
    if (section == NULL || section->kind != TOML_TABLE) {
        return; /* no TLS, or told as an error already */
    }
    if (tls->cert_file.size == 0 || tls->key_file.size == 0) {
        config_error(build, section, "TLS needs both tls.cert_file and tls.key_file");
        return;
    }
    bool has_ca = tls->client_ca_file.size > 0;
    if (!read_pem(build, section, tls->cert_file, &tls->options.certificate_pem) ||
        !read_pem(build, section, tls->key_file, &tls->options.key_pem) ||
        (has_ca && !read_pem(build, section, tls->client_ca_file, &tls->options.client_ca_pem))) {
        return;
    }
    struct fault fault;
    struct tls_server *server = NULL;
    if (!status_is_ok(tls_server_open(&tls->options, &server, &fault))) {
        config_error(build, section, "%s", fault.words);
        return;
    }
    tls_server_release(server);
    if (!status_is_ok(tls_read_validity(tls->options.certificate_pem, &tls->validity, &fault))) {
        config_error(build, section, "%s", fault.words);
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
