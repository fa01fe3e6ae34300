/*
 * config_tenants.c - the tenants' files: each tenants/<id>.toml over a copy of the policy that all
 * tenants begin with; and the tenant "default", of the jobs in quell.toml itself.
 */
#include "core/config_rules.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/assert.h"
#include "schemas/derive.h"

enum { PATH_BYTES_MAX = 4096 };

static void read_tenant_section(struct config_build *build, const struct toml_value *section,
                                struct slice file_tenant, struct slice *tenant_out) {
    const char *const *keys = config_list_keys(CONFIG_LIST_TENANT);
    *tenant_out = file_tenant;
    if (section != NULL && section->kind != TOML_TABLE) {
        config_error(build, section, "tenant is a table: [tenant]");
        return;
    }
    for (uint32_t i = 0; section != NULL && i < section->children_count; i++) {
        const struct toml_value *value = &section->children[i];
        struct fault reason;
        if (slice_equals(value->key, SLICE("id"))) {
            struct slice id = config_text(build, value);
            if (!status_is_ok(derive_check_tenant(id, &reason))) {
                config_error(build, value, "%s", reason.words);
            } else if (!slice_equals(id, file_tenant)) {
                config_error(build, value, "the id \"%.*s\" is not the file's name, %.*s.toml",
                             SLICE_PRINT(id), SLICE_PRINT(file_tenant));
            }
        } else if (slice_equals(value->key, SLICE("tokens_sha256"))) {
            config_read_tokens(build, value, CONFIG_ROLE_TENANT, file_tenant);
        } else if (slice_equals(value->key, SLICE("client_certs_sha256")) ||
                   slice_equals(value->key, SLICE("client_names"))) {
            config_read_certificates(build, value, file_tenant,
                                     slice_equals(value->key, SLICE("client_names")));
        } else if (!slice_equals(value->key, SLICE("owner"))) {
            config_error_unknown(build, value, "tenant", keys);
        }
    }
}

static void apply_tenant(struct config_build *build, const struct toml_value *root,
                         struct slice tenant, struct policy *policy) {
    *policy = build->config->policies.defaults;
    policy->jobs = NULL;
    policy->jobs_count = 0;
    policy->tenant = tenant;
    struct slice id;
    const struct toml_value *section = config_child(root, "tenant");
    read_tenant_section(build, section, tenant, &id);
    const struct toml_value *owner = config_child(section, "owner");
    policy->owner = owner == NULL ? policy->owner : config_name(build, owner);
    build->given_count = 0;
    config_apply_sections(build, root, policy, false);
    if (config_child(root, "sink") != NULL) {
        policy->routes_count = 0; /* own sinks: the defaults' routes name others */
    }
    config_apply_lists(build, root, tenant, policy);
    config_check_policy(build, root, policy);
}

/* To open a pipe waits for who writes, for ever: nothing would hear a signal any more. */
static struct status check_is_file(const char *path, struct fault *fault) {
    struct stat facts;
    if (stat(path, &facts) == 0 && !S_ISREG(facts.st_mode)) {
        return fault_set(fault, STATUS_INVALID, "%s is no file", path);
    }
    return status_ok(); /* else reading it says why not */
}

static void load_tenant(struct config_build *build, const char *directory, struct slice name,
                        struct policy *policy) {
    char *path = arena_allocate(build->arena, PATH_BYTES_MAX, 1);
    struct slice tenant;
    struct fault fault;
    if (path == NULL || !status_is_ok(arena_copy(build->arena, name, &tenant))) {
        return;
    }
    (void)snprintf(path, PATH_BYTES_MAX, "%s/%.*s.toml", directory, SLICE_PRINT(name));
    struct toml_source source = {.name = slice_of_text(path)};
    struct toml_value root;
    struct status status = check_is_file(path, &fault);
    if (status_is_ok(status)) {
        status = config_read_file(path, CONFIG_FILE_BYTES_MAX, build->arena, &source.text, &fault);
    }
    if (status_is_ok(status)) {
        status = toml_parse(&source, 1, build->arena, &root, &fault);
    }
    if (!status_is_ok(status)) {
        config_error_words(build, &fault);
        return;
    }
    struct toml_value place = config_file_place(path);
    if (!status_is_ok(derive_check_tenant(tenant, &fault))) {
        config_error(build, &place, "%s", fault.words);
        return;
    }
    root.file = root.file.size > 0 ? root.file : source.name;
    apply_tenant(build, &root, tenant, policy);
}

static int compare_names(const void *a, const void *b) {
    return slice_compare(*(const struct slice *)a, *(const struct slice *)b);
}

static bool is_tenant_file(struct slice name) {
    return name.size > 5 && name.data[0] != '.' &&
           slice_equals(slice_tail(name, name.size - 5), SLICE(".toml"));
}

static uint32_t list_tenants(struct config_build *build, DIR *directory, struct slice *names) {
    uint32_t count = 0;
    for (struct dirent *entry = readdir(directory); entry != NULL; entry = readdir(directory)) {
        struct slice name = slice_of_text(entry->d_name);
        if (!is_tenant_file(name)) {
            continue;
        }
        if (count == TENANTS_MAX) {
            struct toml_value place = config_file_place(entry->d_name);
            config_error(build, &place, "at most %u tenants", TENANTS_MAX);
            break;
        }
        if (status_is_ok(
                arena_copy(build->arena, slice_head(name, name.size - 5), &names[count]))) {
            count++;
        }
    }
    qsort(names, count, sizeof(*names), compare_names);
    return count;
}

/* The jobs of quell.toml itself: tenant "default", unless it has a file of its own. */
static void add_default_tenant(struct config *config) {
    struct policy_set *set = &config->policies;
    if (set->defaults.jobs_count == 0) {
        return;
    }
    uint32_t at = 0;
    while (at < set->tenants_count &&
           slice_compare(set->tenants[at].tenant, SLICE("default")) < 0) {
        at++;
    }
    if (at < set->tenants_count && slice_equals(set->tenants[at].tenant, SLICE("default"))) {
        return;
    }
    memmove(&set->tenants[at + 1], &set->tenants[at],
            (set->tenants_count - at) * sizeof(struct policy));
    set->tenants[at] = set->defaults;
    set->tenants[at].tenant = SLICE("default");
    set->tenants_count++;
    set->defaults.jobs_count = 0;
}

/* Tenants that are not where quell is started may stand beside the file that --config names. */
static void settle_tenants_dir(struct config_build *build, const char *config_path) {
    struct config *config = build->config;
    char path[PATH_BYTES_MAX];
    struct text text = text_over(path, sizeof(path));
    const char *slash = config_path == NULL ? NULL : strrchr(config_path, '/');
    text_add(&text, config->tenants_dir);
    if (slash == NULL || text.size == 0 || path[0] == '/' || access(path, F_OK) == 0) {
        return;
    }
    text = text_over(path, sizeof(path));
    text_add(&text, slice_of(config_path, (size_t)(slash - config_path) + 1));
    text_add(&text, config->tenants_dir);
    if (!text.truncated && access(path, F_OK) == 0) {
        (void)!status_is_ok(arena_copy(build->arena, text_slice(&text), &config->tenants_dir));
    }
}

/* There may be tenants, whom nobody would know; but not where nobody could look for what nobody
 * named, as in the home of who ran sudo. */
static void refuse_unreadable(struct config_build *build, const char *path, int reason) {
    struct toml_value place = config_file_place(path);
    bool is_nobodys = reason == EACCES && !build->is_tenants_dir_given && access(".", X_OK) != 0;
    if (reason != ENOENT && !is_nobodys) {
        config_error(build, &place, "tenants_dir cannot be read: %s", strerror(reason));
    }
}

void config_load_tenants(struct config_build *build, const char *config_path) {
    struct config *config = build->config;
    settle_tenants_dir(build, config_path);
    struct slice *names = ARENA_ARRAY(build->arena, struct slice, TENANTS_MAX);
    config->policies.tenants = ARENA_ARRAY(build->arena, struct policy, TENANTS_MAX + 1);
    char path[PATH_BYTES_MAX];
    struct text path_text = text_over(path, sizeof(path));
    text_add(&path_text, config->tenants_dir);
    DIR *directory = opendir(path);
    if (directory == NULL) {
        refuse_unreadable(build, path, errno);
    }
    if (names == NULL || config->policies.tenants == NULL) {
        ASSERT(directory == NULL || closedir(directory) == 0);
        return;
    }
    if (directory != NULL) {
        config->has_tenants_dir = true;
        config->tenants = names;
        config->tenants_count = list_tenants(build, directory, names);
        closedir(directory);
    }
    build->is_of_tenant = true;
    for (uint32_t i = 0; i < config->tenants_count; i++) {
        load_tenant(build, path, names[i], &config->policies.tenants[i]);
        config->policies.tenants_count++;
    }
    build->is_of_tenant = false;
    add_default_tenant(config);
}
