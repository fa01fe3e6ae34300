/*
 * access.c - whose data a request may see.
 *
 * A tenant's token or client certificate shows that tenant alone. Without a token the caller is the
 * operator, who sees all, where only this machine can ask (a loopback listener) or where auth.mode
 * is none. He may ask for one tenant's, by tenant= or, as ingest has it, by X-Scope-OrgID.
 */
#include "console/console_internal.h"
#include "schemas/derive.h"

static bool bearer_of(struct slice header, struct slice *token_out) {
    struct slice prefix = SLICE("Bearer ");
    *token_out = slice_trim(slice_tail(header, prefix.size));
    return slice_equals_ignoring_case(slice_head(header, prefix.size), prefix);
}

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

bool access_settle_tenant(struct console *console, struct http_exchange exchange,
                          const struct http_request *request, struct slice asked,
                          struct slice *tenant_out) {
    const struct config *config = console->config;
    struct slice header = http_header_find(request, "authorization");
    struct slice scope = http_header_find(request, "x-scope-orgid");
    struct slice token;
    if (config->auth_mode == AUTH_NONE) {
        return settle_asked(exchange, scope, asked, tenant_out);
    }
    struct slice tenant;
    bool has_peer =
        header.size == 0 && status_is_ok(config_find_peer(config, request->peer, &tenant));
    if (header.size == 0 && !has_peer && config_address_is_loopback(config->listen_console)) {
        return settle_asked(exchange, scope, asked, tenant_out);
    }
    if (!has_peer &&
        (!bearer_of(header, &token) || !status_is_ok(config_find_token(config, token, &tenant)))) {
        refuse(exchange, bearer_of(header, &token) ? "no tenant has this token"
                                                   : "a bearer token is required");
        return false;
    }
    asked = asked.size > 0 && !slice_equals(asked, tenant) ? asked : scope;
    if (asked.size > 0 && !slice_equals(asked, tenant)) {
        refusals_note(&console->refusals, tenant, asked);
        console_answer_error(exchange, 403, "forbidden", "the token is another tenant's");
        return false;
    }
    *tenant_out = tenant;
    return true;
}
