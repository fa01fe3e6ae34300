/*
 * config_access.c - whom a bearer token or a client's certificate stands for: a tenant, or, a token
 * of quell.toml, the operator or who reads metrics.
 */
#include <stdlib.h>

#include "core/base/assert.h"
#include "core/clock.h"
#include "core/config_rules.h"
#include "core/digest.h"

/* --- Tokens --- */

/* "9f86..." or { sha256 = "9f86...", expires = "2027-01-01T00:00:00Z" } */
static bool read_token(struct config_build *build, const struct toml_value *value,
                       struct config_token *token) {
    static const char *const keys[] = {"sha256", "expires", NULL};
    bool is_table = value->kind == TOML_TABLE;
    const struct toml_value *digest = is_table ? config_child(value, "sha256") : value;
    const struct toml_value *expires = is_table ? config_child(value, "expires") : NULL;
    if (digest == NULL || digest->kind != TOML_STRING ||
        !status_is_ok(text_parse_hex(digest->text, token->sha256, sizeof(token->sha256)))) {
        config_error(build, value, "a token is given as 64 hex digits of its SHA-256");
        return false;
    }
    for (uint32_t i = 0; is_table && i < value->children_count; i++) {
        if (&value->children[i] != digest && &value->children[i] != expires) {
            config_error_unknown(build, &value->children[i], "token", keys);
        }
    }
    if (expires != NULL && (!status_is_ok(text_parse_time(expires->text, &token->expires_ns)) ||
                            token->expires_ns == 0)) {
        config_error(build, expires, "expires = \"2027-01-01T00:00:00Z\" is wanted here");
        return false;
    }
    return true;
}

static void add_token(struct config_build *build, const struct toml_value *value,
                      enum config_role role, struct slice tenant) {
    struct config *config = build->config;
    struct config_token token = {.role = role,
                                 .tenant = tenant,
                                 .file = value->file,
                                 .line = value->line,
                                 .column = value->column};
    if (!read_token(build, value, &token)) {
        return;
    }
    if ((config->tokens_count & (config->tokens_count - 1)) == 0) {
        uint32_t capacity = config->tokens_count == 0 ? 1 : config->tokens_count * 2;
        struct config_token *grown = ARENA_ARRAY(build->arena, struct config_token, capacity);
        if (grown == NULL) {
            config_error(build, value, "the configuration is too large");
            return;
        }
        if (config->tokens_count > 0) {
            memcpy(grown, config->tokens, config->tokens_count * sizeof(*grown));
        }
        config->tokens = grown;
    }
    config->tokens[config->tokens_count++] = token;
}

void config_read_tokens(struct config_build *build, const struct toml_value *array,
                        enum config_role role, struct slice tenant) {
    ASSERT((role == CONFIG_ROLE_TENANT) == (tenant.size > 0));
    if (array->kind != TOML_ARRAY) {
        config_error(build, array, "an array of strings is wanted here");
        return;
    }
    for (uint32_t i = 0; i < array->children_count; i++) {
        add_token(build, &array->children[i], role, tenant);
    }
}

static int compare_tokens(const void *left, const void *right) {
    const struct config_token *a = left;
    const struct config_token *b = right;
    int order = memcmp(a->sha256, b->sha256, DIGEST_SHA256_BYTES);
    order = order != 0 ? order : (int)a->role - (int)b->role;
    return order != 0 ? order : slice_compare(a->tenant, b->tenant);
}

static void tell_same(struct config_build *build, const struct config_token *first,
                      const struct config_token *token) {
    struct toml_value place = {.file = token->file, .line = token->line, .column = token->column};
    if (token->role == CONFIG_ROLE_TENANT) {
        config_error(build, &place, "tenants %.*s and %.*s have the same token",
                     SLICE_PRINT(first->tenant), SLICE_PRINT(token->tenant));
    } else if (first->role == CONFIG_ROLE_TENANT) {
        config_error(build, &place, "this is the tenant %.*s's token already",
                     SLICE_PRINT(first->tenant));
    } else {
        config_error(build, &place, "this token stands in auth.operator_tokens_sha256 already");
    }
}

void config_sort_tokens(struct config_build *build) {
    struct config *config = build->config;
    if (config->tokens_count > 0) {
        qsort(config->tokens, config->tokens_count, sizeof(struct config_token), compare_tokens);
    }
    for (uint32_t i = 1; i < config->tokens_count; i++) {
        struct config_token *before = &config->tokens[i - 1];
        struct config_token *token = &config->tokens[i];
        bool is_same = memcmp(before->sha256, token->sha256, sizeof(token->sha256)) == 0;
        if (is_same &&
            (before->role != token->role || !slice_equals(before->tenant, token->tenant))) {
            tell_same(build, before, token);
        }
    }
}

struct status config_find_token(const struct config *config, struct slice token,
                                enum config_role *role_out, struct slice *tenant_out) {
    uint8_t digest[DIGEST_SHA256_BYTES];
    digest_sha256(token, digest);
    /* Every token is compared, so that time tells nothing about which one was near. */
    const struct config_token *found = NULL;
    for (uint32_t i = 0; i < config->tokens_count; i++) {
        if (digest_equals(digest, config->tokens[i].sha256, sizeof(digest))) {
            found = &config->tokens[i];
        }
    }
    if (found == NULL || (found->expires_ns != 0 && clock_wall_ns() >= found->expires_ns)) {
        return status_of(STATUS_MISSING);
    }
    *role_out = found->role;
    *tenant_out = found->tenant;
    return status_ok();
}

uint32_t config_count_tokens(const struct config *config, enum config_role role) {
    uint32_t count = 0;
    for (uint32_t i = 0; i < config->tokens_count; i++) {
        count += config->tokens[i].role == role ? 1 : 0;
    }
    return count;
}

/* --- Clients' certificates --- */

static struct config_certificate *
add_certificate(struct config_build *build, const struct toml_value *value, struct slice tenant) {
    struct config *config = build->config;
    if ((config->certificates_count & (config->certificates_count - 1)) == 0) {
        uint32_t capacity = config->certificates_count == 0 ? 1 : config->certificates_count * 2;
        struct config_certificate *grown =
            ARENA_ARRAY(build->arena, struct config_certificate, capacity);
        if (grown == NULL) {
            config_error(build, value, "the configuration is too large");
            return NULL;
        }
        if (config->certificates_count > 0) {
            memcpy(grown, config->certificates, config->certificates_count * sizeof(*grown));
        }
        config->certificates = grown;
    }
    struct config_certificate *certificate = &config->certificates[config->certificates_count++];
    *certificate = (struct config_certificate){.tenant = tenant};
    return certificate;
}

static void check_owner(struct config_build *build, const struct toml_value *value,
                        const struct config_certificate *added) {
    const struct config *config = build->config;
    for (const struct config_certificate *one = config->certificates; one != added; one++) {
        bool is_same = added->name.size > 0
                           ? slice_equals(one->name, added->name)
                           : one->name.size == 0 &&
                                 memcmp(one->sha256, added->sha256, sizeof(one->sha256)) == 0;
        if (is_same && !slice_equals(one->tenant, added->tenant)) {
            config_error(build, value, "this certificate belongs to the tenant \"%.*s\" already",
                         SLICE_PRINT(one->tenant));
            return;
        }
    }
}

void config_read_certificates(struct config_build *build, const struct toml_value *array,
                              struct slice tenant, bool by_name) {
    if (array->kind != TOML_ARRAY) {
        config_error(build, array, "an array of strings is wanted here");
        return;
    }
    for (uint32_t i = 0; i < array->children_count; i++) {
        const struct toml_value *value = &array->children[i];
        struct config_certificate *certificate = add_certificate(build, value, tenant);
        if (certificate == NULL) {
            return;
        }
        if (by_name) {
            certificate->name = config_text(build, value);
        }
        if (by_name ? certificate->name.size == 0
                    : value->kind != TOML_STRING ||
                          !status_is_ok(text_parse_hex(value->text, certificate->sha256,
                                                       sizeof(certificate->sha256)))) {
            config_error(build, value,
                         by_name ? "a DNS name, a URI or a common name is wanted here"
                                 : "a certificate is given as 64 hex digits of its SHA-256");
            build->config->certificates_count--;
            continue;
        }
        check_owner(build, value, certificate);
    }
}

static bool is_peer(const struct config_certificate *certificate, const struct tls_peer *peer) {
    if (certificate->name.size == 0) {
        return digest_equals(certificate->sha256, peer->sha256, sizeof(peer->sha256));
    }
    for (uint32_t i = 0; i < peer->names_count; i++) {
        if (slice_equals(certificate->name, peer->names[i])) {
            return true;
        }
    }
    return false;
}

/* The certificate itself counts before its names. */
struct status config_find_peer(const struct config *config, const struct tls_peer *peer,
                               struct slice *tenant_out) {
    const struct config_certificate *found = NULL;
    for (uint32_t i = 0; peer != NULL && i < config->certificates_count; i++) {
        const struct config_certificate *certificate = &config->certificates[i];
        if (is_peer(certificate, peer) && (found == NULL || certificate->name.size == 0)) {
            found = certificate;
        }
    }
    if (found == NULL) {
        return status_of(STATUS_MISSING);
    }
    *tenant_out = found->tenant;
    return status_ok();
}

bool config_sinks_are_equal(const struct config_sink *a, const struct config_sink *b) {
    bool is_same = slice_equals(a->type, b->type) && a->settings_count == b->settings_count;
    for (uint32_t i = 0; is_same && i < a->settings_count; i++) {
        is_same = slice_equals(a->settings[i].key, b->settings[i].key) &&
                  slice_equals(a->settings[i].value, b->settings[i].value);
    }
    return is_same;
}

const struct config_sink *config_find_sink(const struct config *config, struct slice tenant,
                                           struct slice name) {
    for (uint32_t i = 0; i < config->sinks_count; i++) {
        const struct config_sink *sink = &config->sinks[i];
        if (slice_equals(sink->tenant, tenant) && slice_equals(sink->name, name)) {
            return sink;
        }
    }
    return NULL;
}
