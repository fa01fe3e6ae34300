/*
 * access.c - whose data a request may see.
 *
 * A tenant's token or client certificate shows that tenant alone. The operator sees all: who has a
 * token of auth.operator_tokens_sha256 and, without any, whoever asks where only this machine can
 * (a loopback listener) or where auth.mode is none. He may ask for one tenant's, by tenant= or, as
 * ingest has it, by X-Scope-OrgID. A token of auth.metrics_tokens_sha256 is good for /metrics
 * alone.
 */
#include "console/console_internal.h"

#include "core/base/assert.h"
#include "schemas/derive.h"

static void refuse(struct http_exchange exchange, const char *words) {
    char memory[256];
    struct text body = text_over(memory, sizeof(memory));
    text_add_format(&body, "{\"error\":{\"code\":\"unauthorized\",\"message\":\"%s\"}}", words);
    http_respond(exchange, 401, "application/json", "WWW-Authenticate: Bearer\r\n",
                 text_slice(&body));
}

/* What the operator asks for: with a header as without it, he never gets more than he names. */
static bool settle_asked(struct http_exchange exchange, struct slice scope, struct slice asked,
                         struct slice *tenant_out) {
    struct fault unused;
    if (scope.size > 0 && !status_is_ok(derive_check_tenant(scope, &unused))) {
        console_answer_error(exchange, 400, "invalid", "X-Scope-OrgID is no tenant id");
        return false;
    }
    if (scope.size > 0 && asked.size > 0 && !slice_equals(scope, asked)) {
        console_answer_error(exchange, 403, "forbidden",
                             "X-Scope-OrgID and tenant= name different tenants");
        return false;
    }
    *tenant_out = scope.size > 0 ? scope : asked;
    return true;
}

/* Whose request it is, and of ROLE_TENANT which; false, and answered, when nobody may ask so. */
static bool identify(struct console *console, struct http_exchange exchange,
                     const struct http_request *request, enum config_role *role_out,
                     struct slice *tenant_out) {
    const struct config *config = console->config;
    struct slice header = http_header_find(request, "authorization");
    struct slice token;
    *role_out = CONFIG_ROLE_OPERATOR;
    if (config->auth_mode == AUTH_NONE) {
        return true;
    }
    if (header.size == 0 && status_is_ok(config_find_peer(config, request->peer, tenant_out))) {
        *role_out = CONFIG_ROLE_TENANT;
        return true;
    }
    if (header.size == 0 && config_address_is_loopback(config->listen_console)) {
        return true;
    }
    bool is_bearer = http_bearer_find(request, &token);
    if (!is_bearer || !status_is_ok(config_find_token(config, token, role_out, tenant_out))) {
        refuse(exchange, is_bearer ? "nobody has this token" : "a bearer token is required");
        return false;
    }
    return true;
}

bool access_settle_tenant(struct console *console, struct http_exchange exchange,
                          const struct http_request *request, struct slice asked,
                          struct slice *tenant_out) {
    struct slice scope = http_header_find(request, "x-scope-orgid");
    enum config_role role = CONFIG_ROLE_METRICS;
    struct slice tenant = {0};
    if (!identify(console, exchange, request, &role, &tenant)) {
        return false;
    }
    if (role == CONFIG_ROLE_METRICS) {
        console_answer_error(exchange, 403, "forbidden",
                             "this token reads metrics, and nothing else");
        return false;
    }
    if (role == CONFIG_ROLE_OPERATOR) {
        return settle_asked(exchange, scope, asked, tenant_out);
    }
    ASSERT(tenant.size > 0); /* empty would be all */
    asked = asked.size > 0 && !slice_equals(asked, tenant) ? asked : scope;
    if (asked.size > 0 && !slice_equals(asked, tenant)) {
        refusals_note(&console->refusals, tenant, asked);
        console_answer_error(exchange, 403, "forbidden", "the token is another tenant's");
        return false;
    }
    *tenant_out = tenant;
    return true;
}

bool access_may_read_metrics(struct console *console, struct http_exchange exchange,
                             const struct http_request *request) {
    enum config_role role = CONFIG_ROLE_TENANT;
    struct slice tenant = {0};
    if (!identify(console, exchange, request, &role, &tenant)) {
        return false;
    }
    if (role == CONFIG_ROLE_TENANT || http_header_find(request, "x-scope-orgid").size > 0) {
        console_answer_error(exchange, 403, "forbidden", "metrics are the operator's");
        return false;
    }
    return true;
}
