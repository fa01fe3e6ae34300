/*
 * sink_hosts.c - which hosts there are: made from a configuration, found by tenant and name, and
 * carried over to the next one.
 *
 * A host lives on its own copy of its configuration, so a reload touches only the sinks that it
 * changes: the others keep their connection, their queue, their breaker and what is under way. A
 * sink of the defaults is made anew, too, when a tenant's sink of the same name came or went: other
 * messages are its own then.
 */
#include "sinks/sinks_internal.h"

#include <stdlib.h>

#include "core/base/assert.h"

enum { STATE_BYTES_MAX = 8 * 1024 };

static int compare_keys(struct slice tenant_a, struct slice name_a, struct slice tenant_b,
                        struct slice name_b) {
    int order = slice_compare(tenant_a, tenant_b);
    return order != 0 ? order : slice_compare(name_a, name_b);
}

/* --- One host --- */

static size_t settings_bytes(const struct config_sink *config) {
    size_t size = config->tenant.size + config->name.size + config->type.size + config->file.size;
    for (uint32_t i = 0; i < config->settings_count; i++) {
        size += config->settings[i].key.size + config->settings[i].value.size + 2 +
                sizeof(struct config_setting);
    }
    return size + 64;
}

static struct status copy_config(const struct config_sink *from, struct arena *arena,
                                 struct config_sink *to) {
    *to = *from;
    TRY(arena_copy(arena, from->tenant, &to->tenant));
    TRY(arena_copy(arena, from->name, &to->name));
    TRY(arena_copy(arena, from->type, &to->type));
    TRY(arena_copy(arena, from->file, &to->file));
    to->settings = ARENA_ARRAY(arena, struct config_setting, from->settings_count + 1u);
    for (uint32_t i = 0; to->settings != NULL && i < from->settings_count; i++) {
        to->settings[i] = from->settings[i];
        TRY(arena_copy(arena, from->settings[i].key, &to->settings[i].key));
        TRY(arena_copy(arena, from->settings[i].value, &to->settings[i].value));
    }
    return to->settings != NULL ? status_ok() : status_of(STATUS_FULL);
}

static struct status open_type(struct sink_host *host, struct fault *fault) {
    const struct config_sink *config = &host->config;
    TRY(sink_type_find(config, &host->type, fault));
    TRY(sink_limits_read(config, &host->limits, fault));
    if (!host->limits.pace_is_set && host->type->rate_per_minute > 0) {
        host->limits.pace_ns = NS_PER_MINUTE / host->type->rate_per_minute;
    }
    return host->type->open(config, &host->arena, &host->state, fault);
}

/* Secrets were in it. */
static void free_host(struct sink_host *host) {
    explicit_bzero(host->arena.base, host->arena.used_bytes);
    free(host->arena.base);
    free(host);
}

static void close_host(struct sink_host *host) {
    event_copy_close(host->copy);
    sink_host_deinit(host);
    free_host(host);
}

static struct status open_copy(struct sink_host *host, struct fault *fault) {
    bool is_wanted = false;
    TRY(event_copy_is_wanted(&host->config, host->type, &is_wanted, fault));
    if (!is_wanted || host->sinks->options.journal.directory == NULL) {
        return status_ok();
    }
    return event_copy_open(host, &host->copy, fault);
}

static struct status make_host(struct sinks *sinks, const struct config_sink *config,
                               struct sink_host **host_out, struct fault *fault) {
    struct sink_host *host = calloc(1, sizeof(*host));
    size_t size = STATE_BYTES_MAX + 3 * settings_bytes(config);
    if (host != NULL) {
        host->arena.base = calloc(1, size); /* zeroed, as an arena's memory is */
    }
    if (host == NULL || host->arena.base == NULL) {
        free(host);
        return fault_set(fault, STATUS_FULL, "no memory for a sink");
    }
    host->arena.capacity_bytes = size;
    host->sinks = sinks;
    struct status status = copy_config(config, &host->arena, &host->config);
    if (status_is_ok(status)) {
        status = open_type(host, fault);
    }
    if (status_is_ok(status) && host->type == &sink_stdout_type) {
        stdout_share_line(host->state, &sinks->stdout_line, sinks->options.stdout_json);
    }
    if (!status_is_ok(status)) {
        free_host(host);
        return status;
    }
    sink_host_init(host);
    status = open_copy(host, fault);
    if (!status_is_ok(status)) {
        close_host(host);
        return status;
    }
    host->is_fresh = true;
    *host_out = host;
    return status_ok();
}

/* --- All of them --- */

static struct sink_host *find(const struct sinks *sinks, struct slice tenant, struct slice name) {
    uint32_t low = 0;
    uint32_t high = sinks->hosts_count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        const struct config_sink *config = &sinks->hosts[middle]->config;
        int order = compare_keys(config->tenant, config->name, tenant, name);
        if (order == 0) {
            return sinks->hosts[middle];
        }
        low = order < 0 ? middle + 1 : low;
        high = order < 0 ? high : middle;
    }
    return NULL;
}

struct sink_host *sink_hosts_find(const struct sinks *sinks, struct slice tenant,
                                  struct slice name) {
    struct sink_host *own = find(sinks, tenant, name);
    return own != NULL ? own : find(sinks, slice_of(NULL, 0), name);
}

static int compare_wanted(const void *a, const void *b) {
    const struct config_sink *left = *(const struct config_sink *const *)a;
    const struct config_sink *right = *(const struct config_sink *const *)b;
    return compare_keys(left->tenant, left->name, right->tenant, right->name);
}

static bool is_wanted(const struct config_sink *const *wanted, uint32_t count,
                      const struct config_sink *config) {
    return bsearch(&config, wanted, count, sizeof(const struct config_sink *), compare_wanted) !=
           NULL;
}

/* Whether a tenant's sink of that name came or went. */
static bool has_moved(const struct sinks *sinks, const struct config_sink *const *wanted,
                      uint32_t count, struct slice name) {
    for (uint32_t i = 0; i < count; i++) {
        if (slice_equals(wanted[i]->name, name) &&
            find(sinks, wanted[i]->tenant, wanted[i]->name) == NULL) {
            return true;
        }
    }
    for (uint32_t i = 0; i < sinks->hosts_count; i++) {
        const struct config_sink *config = &sinks->hosts[i]->config;
        if (slice_equals(config->name, name) && !is_wanted(wanted, count, config)) {
            return true;
        }
    }
    return false;
}

static bool can_stay(const struct sinks *sinks, const struct sink_host *host,
                     const struct config_sink *const *wanted, uint32_t count,
                     const struct config_sink *config) {
    return host != NULL && config_sinks_are_equal(&host->config, config) &&
           (config->tenant.size > 0 || !has_moved(sinks, wanted, count, config->name));
}

static void close_all(struct sink_host **hosts, uint32_t count, bool only_left) {
    for (uint32_t i = 0; i < count; i++) {
        if (!only_left || !hosts[i]->is_kept) {
            close_host(hosts[i]);
        }
    }
}

static struct status make_hosts(struct sinks *sinks, const struct config_sink *const *wanted,
                                uint32_t count, struct sink_host **hosts, struct fault *fault) {
    for (uint32_t i = 0; i < sinks->hosts_count; i++) {
        sinks->hosts[i]->is_kept = false;
    }
    for (uint32_t i = 0; i < count; i++) {
        struct sink_host *host = find(sinks, wanted[i]->tenant, wanted[i]->name);
        if (can_stay(sinks, host, wanted, count, wanted[i])) {
            host->is_kept = true;
            hosts[i] = host;
            continue;
        }
        struct status status = make_host(sinks, wanted[i], &hosts[i], fault);
        if (!status_is_ok(status)) {
            close_all(hosts, i, true);
            return status;
        }
    }
    return status_ok();
}

/* Those that have a row first: what is left over then may be given to the others. */
static void show_hosts(struct sinks *sinks) {
    struct sink_board *board = sinks->options.board;
    uint32_t unseen = 0;
    if (board == NULL) {
        return;
    }
    sink_board_hide_all(board);
    for (uint32_t i = 0; i < sinks->hosts_count; i++) {
        struct sink_host *host = sinks->hosts[i];
        host->row = sink_board_find(board, host->config.tenant, host->config.name);
    }
    for (uint32_t i = 0; i < sinks->hosts_count; i++) {
        struct sink_host *host = sinks->hosts[i];
        if (host->row == NULL) {
            host->row = sink_board_add(board, host->config.tenant, host->config.name);
        }
        unseen += host->row == NULL ? 1 : 0;
    }
    if (unseen > 0) {
        log_write(sinks->options.logger, LOG_LEVEL_WARNING, "sinks",
                  "%u sinks are delivered to as the others are, but not in /metrics: it shows %u",
                  unseen, SINK_BOARD_ROWS_MAX);
    }
}

/* Sorted. NULL: no memory. */
static const struct config_sink **list_wanted(const struct config *config) {
    uint32_t count = config->sinks_count;
    const struct config_sink **wanted = calloc(count + 1u, sizeof(const struct config_sink *));
    for (uint32_t i = 0; wanted != NULL && i < count; i++) {
        wanted[i] = &config->sinks[i];
    }
    if (wanted != NULL) {
        qsort(wanted, count, sizeof(const struct config_sink *), compare_wanted);
    }
    return wanted;
}

bool sink_hosts_retire(struct sinks *sinks, const struct config *config) {
    const struct config_sink **wanted = list_wanted(config);
    bool is_busy = false;
    for (uint32_t i = 0; wanted != NULL && i < sinks->hosts_count; i++) {
        struct sink_host *host = sinks->hosts[i];
        const struct config_sink *old = &host->config;
        const struct config_sink *const *now = bsearch(
            &old, wanted, config->sinks_count, sizeof(const struct config_sink *), compare_wanted);
        host->is_retiring =
            now == NULL || !can_stay(sinks, host, wanted, config->sinks_count, *now);
        is_busy = is_busy || (host->is_retiring && host->delivery != DELIVERY_IDLE);
    }
    free(wanted);
    return is_busy;
}

struct status sink_hosts_replace(struct sinks *sinks, const struct config *config,
                                 struct fault *fault) {
    uint32_t count = config->sinks_count;
    const struct config_sink **wanted = list_wanted(config);
    struct sink_host **hosts = calloc(count + 1u, sizeof(struct sink_host *));
    struct status status = wanted != NULL && hosts != NULL
                               ? status_ok()
                               : fault_set(fault, STATUS_FULL, "no memory for %u sinks", count);
    if (status_is_ok(status)) {
        status = make_hosts(sinks, wanted, count, hosts, fault);
    }
    free(wanted);
    if (!status_is_ok(status)) {
        free(hosts);
        return status;
    }
    for (uint32_t i = 0; i < sinks->hosts_count; i++) {
        if (!sinks->hosts[i]->is_kept) {
            tried_note(&sinks->tried, &sinks->hosts[i]->queue);
        }
    }
    close_all(sinks->hosts, sinks->hosts_count, true);
    free(sinks->hosts);
    sinks->hosts = hosts;
    sinks->hosts_count = count;
    for (uint32_t i = 0; i < count; i++) {
        hosts[i]->watch.watcher.addresses = config->sink_addresses;
        if (hosts[i]->copy != NULL) {
            event_copy_allow(hosts[i]->copy, config->sink_addresses);
        }
    }
    show_hosts(sinks);
    return status_ok();
}

void sink_hosts_close(struct sinks *sinks) {
    close_all(sinks->hosts, sinks->hosts_count, false);
    free(sinks->hosts);
    sinks->hosts = NULL;
    sinks->hosts_count = 0;
}
