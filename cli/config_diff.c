/* config_diff.c - see config_diff.h. Policies are compared by their encoded form, section by
 * section, so a new field of a policy is never forgotten here. */
#include "cli/config_diff.h"

#include <stdlib.h>

#include "core/base/limits.h"

enum { WORDS_BYTES = 4096 };

struct diff {
    struct text words; /* of one tenant */
    char memory[WORDS_BYTES];
    void (*on_tenant)(void *context, struct slice tenant, struct slice words);
    void *context;
    const struct config *old;
    const struct config *new;
    uint8_t *bytes[2]; /* POLICY_BYTES_MAX each */
};

static void add_item(struct diff *diff, const char *what, struct slice name, const char *happened) {
    struct text *words = &diff->words;
    text_add_text(words, words->size == 0 ? "" : ", ");
    text_add_text(words, what);
    text_add_printable(words, name);
    text_add_text(words, happened);
}

/* One tenant is through. */
static void tell(struct diff *diff, struct slice tenant) {
    if (diff->words.size > 0) {
        diff->on_tenant(diff->context, tenant, text_slice(&diff->words));
    }
    diff->words = text_over(diff->memory, sizeof(diff->memory));
}

static bool is_same(struct diff *diff, const struct policy *old, const struct policy *new) {
    const struct policy *policies[2] = {old, new};
    struct writer writers[2];
    for (uint32_t i = 0; i < 2; i++) {
        const struct policy_set set = {.defaults = *policies[i]};
        writers[i] = writer_over(diff->bytes[i], POLICY_BYTES_MAX);
        if (!status_is_ok(policy_set_encode(&set, &writers[i]))) {
            return false;
        }
    }
    return slice_equals(writer_slice(&writers[0]), writer_slice(&writers[1]));
}

enum section { SECTION_RULES, SECTION_JOBS, SECTION_ROUTES, SECTION_SILENCES, SECTIONS };

/* The policy with that section alone. */
static struct policy only(const struct policy *policy, enum section section) {
    struct policy part = section == SECTION_RULES ? *policy : (struct policy){0};
    part.jobs = policy->jobs;
    part.jobs_count = section == SECTION_JOBS ? policy->jobs_count : 0;
    part.routes = policy->routes;
    part.routes_count = section == SECTION_ROUTES ? policy->routes_count : 0;
    part.silences = policy->silences;
    part.silences_count = section == SECTION_SILENCES ? policy->silences_count : 0;
    part.sinks_count = 0; /* compared with their settings */
    return part;
}

static void compare_policies(struct diff *diff, const struct policy *old,
                             const struct policy *new) {
    static const char *const names[SECTIONS] = {"rules", "jobs", "routes", "silences"};
    if (is_same(diff, old, new)) {
        return;
    }
    for (enum section section = 0; section < SECTIONS; section++) {
        struct policy parts[2] = {only(old, section), only(new, section)};
        if (!is_same(diff, &parts[0], &parts[1])) {
            add_item(diff, names[section], slice_of(NULL, 0), "");
        }
    }
}

/* --- Sinks and tokens --- */

/* The tenant's sinks lie together in a configuration: its range. */
static uint32_t first_sink(const struct config *config, struct slice tenant) {
    uint32_t i = 0;
    while (i < config->sinks_count && !slice_equals(config->sinks[i].tenant, tenant)) {
        i++;
    }
    return i;
}

static void compare_sinks(struct diff *diff, struct slice tenant) {
    const struct config *new = diff->new;
    const struct config *old = diff->old;
    for (uint32_t i = first_sink(new, tenant);
         i < new->sinks_count &&slice_equals(new->sinks[i].tenant, tenant); i++) {
        const struct config_sink *before = config_find_sink(old, tenant, new->sinks[i].name);
        if (before == NULL || !config_sinks_are_equal(before, &new->sinks[i])) {
            add_item(diff, "sink ", new->sinks[i].name, before == NULL ? " added" : " changed");
        }
    }
    for (uint32_t i = first_sink(old, tenant);
         i < old->sinks_count && slice_equals(old->sinks[i].tenant, tenant); i++) {
        if (config_find_sink(new, tenant, old->sinks[i].name) == NULL) {
            add_item(diff, "sink ", old->sinks[i].name, " removed");
        }
    }
}

/* A sum that does not care for order. */
static uint64_t tokens_sum(const struct config *config, enum config_role role,
                           struct slice tenant) {
    uint64_t sum = 0;
    for (uint32_t i = 0; i < config->tokens_count; i++) {
        const struct config_token *token = &config->tokens[i];
        if (token->role == role && slice_equals(token->tenant, tenant)) {
            sum += hash64_of(slice_of(token->sha256, sizeof(token->sha256)), token->expires_ns);
        }
    }
    return sum;
}

/* The same of client certificates. */
static uint64_t certificates_sum(const struct config *config, struct slice tenant) {
    uint64_t sum = 0;
    for (uint32_t i = 0; i < config->certificates_count; i++) {
        const struct config_certificate *one = &config->certificates[i];
        if (slice_equals(one->tenant, tenant)) {
            uint64_t seed = hash64_of(one->name, one->name.size);
            sum += hash64_of(slice_of(one->sha256, sizeof(one->sha256)), seed);
        }
    }
    return sum;
}

static void compare_certificates(struct diff *diff, struct slice tenant) {
    if (certificates_sum(diff->old, tenant) != certificates_sum(diff->new, tenant)) {
        add_item(diff, "client certificates", slice_of(NULL, 0), "");
    }
}

static void compare_tokens(struct diff *diff, enum config_role role, struct slice tenant,
                           const char *what) {
    if (tokens_sum(diff->old, role, tenant) != tokens_sum(diff->new, role, tenant)) {
        add_item(diff, what, slice_of(NULL, 0), "");
    }
}

/* --- Whole --- */

static void compare_tenant(struct diff *diff, const struct policy *old, const struct policy *new) {
    compare_policies(diff, old, new);
    compare_sinks(diff, new->tenant);
    compare_tokens(diff, CONFIG_ROLE_TENANT, new->tenant, "tokens");
    compare_certificates(diff, new->tenant);
    if (new->tenant.size == 0) {
        compare_tokens(diff, CONFIG_ROLE_OPERATOR, new->tenant, "operator tokens");
        compare_tokens(diff, CONFIG_ROLE_METRICS, new->tenant, "metrics tokens");
    }
    tell(diff, new->tenant);
}

static void compare_tenants(struct diff *diff) {
    const struct policy_set *old = &diff->old->policies;
    const struct policy_set *new = &diff->new->policies;
    uint32_t at_old = 0;
    uint32_t at_new = 0;
    while (at_old < old->tenants_count || at_new < new->tenants_count) {
        int order = at_old == old->tenants_count ? 1
                    : at_new == new->tenants_count
                        ? -1
                        : slice_compare(old->tenants[at_old].tenant, new->tenants[at_new].tenant);
        if (order == 0) {
            compare_tenant(diff, &old->tenants[at_old++], &new->tenants[at_new++]);
        } else if (order < 0) {
            add_item(diff, "removed", slice_of(NULL, 0), "");
            tell(diff, old->tenants[at_old++].tenant);
        } else {
            add_item(diff, "added", slice_of(NULL, 0), "");
            tell(diff, new->tenants[at_new++].tenant);
        }
    }
}

void config_diff_each(const struct config *old, const struct config *new,
                      void (*on_tenant)(void *context, struct slice tenant, struct slice words),
                      void *context) {
    struct diff diff = {.on_tenant = on_tenant, .context = context, .old = old, .new = new};
    diff.words = text_over(diff.memory, sizeof(diff.memory));
    diff.bytes[0] = malloc(POLICY_BYTES_MAX);
    diff.bytes[1] = malloc(POLICY_BYTES_MAX);
    if (diff.bytes[0] != NULL && diff.bytes[1] != NULL) {
        compare_tenant(&diff, &old->policies.defaults, &new->policies.defaults);
        compare_tenants(&diff);
    }
    free(diff.bytes[0]);
    free(diff.bytes[1]);
}

const char *config_diff_listener(const struct config *old, const struct config *new) {
    const struct {
        const char *key;
        struct slice old;
        struct slice new;
    } listeners[] = {{"listen.http", old->listen_http, new->listen_http},
                     {"listen.grpc", old->listen_grpc, new->listen_grpc},
                     {"listen.console", old->listen_console, new->listen_console}};
    for (size_t i = 0; i < sizeof(listeners) / sizeof(listeners[0]); i++) {
        if (!slice_equals(listeners[i].old, listeners[i].new)) {
            return listeners[i].key;
        }
    }
    return NULL;
}
