/* config_change.c - see config_change.h. */
#include "cli/config_change.h"

#include <assert.h>
#include <stddef.h>

#include "cli/config_diff.h"
#include "core/base/hash.h"
#include "core/base/text.h"

struct key {
    const char *path;
    size_t offset;
    size_t size;
    bool is_text; /* a struct slice */
    bool is_list; /* compared by config_diff.c */
    bool counts_at_once;
};

#define COUNTS_START false
#define COUNTS_RELOAD true
#define FIELD(field) (((const struct config *)NULL)->field)
#define KEY(path, field, when)                                                                     \
    {path,                                                                                         \
     offsetof(struct config, field),                                                               \
     sizeof(__typeof__(FIELD(field))),                                                             \
     _Generic(FIELD(field), struct slice                                                           \
              : true, default                                                                      \
              : false),                                                                            \
     _Generic(FIELD(field), struct config_token *                                                  \
              : true, default                                                                      \
              : false),                                                                            \
     COUNTS_##when},

static const struct key keys[] = {
#define CONFIG_KEY(path, type, field, when) KEY(path, field, when)
#include "core/config_key_list.h"
#undef CONFIG_KEY
    /* Another file is read at a reload; whether there is any settles who speaks TLS. */
    KEY("tls.cert_file", tls.is_on, START)
    /* What stands in the files, whatever their names. */
    KEY("tls.cert_file", tls.options.certificate_pem, RELOAD)
        KEY("tls.key_file", tls.options.key_pem, RELOAD)
            KEY("tls.client_ca_file", tls.options.client_ca_pem, RELOAD)};

enum { KEYS_COUNT = sizeof(keys) / sizeof(keys[0]) };
static_assert((int)KEYS_COUNT <= (int)CONFIG_KEYS_MAX, "each key has a sum");

static uint64_t sum_of(const struct key *key, const struct config *config) {
    const uint8_t *field = (const uint8_t *)config + key->offset;
    struct slice bytes = key->is_text ? *(const struct slice *)field : slice_of(field, key->size);
    return hash64_of(bytes, 0);
}

void config_started_init(struct config_started *started, const struct config *config) {
    for (uint32_t i = 0; i < KEYS_COUNT; i++) {
        started->sums[i] = sum_of(&keys[i], config);
    }
}

static void add_name(struct text *words, const char *path) {
    text_add_text(words, words->size == 0 ? "" : ", ");
    text_add_text(words, path);
}

void config_change_add_names(const struct config *old, const struct config *new,
                             struct text *words) {
    for (uint32_t i = 0; i < KEYS_COUNT; i++) {
        const struct key *key = &keys[i];
        bool is_told = words->size > 0 && strstr(words->data, key->path) != NULL;
        if (key->counts_at_once && !key->is_list && !is_told &&
            sum_of(key, old) != sum_of(key, new)) {
            add_name(words, key->path);
        }
    }
}

void config_started_tell(const struct config_started *started, const struct config *config,
                         const struct logger *logger) {
    char memory[2048];
    struct text words = text_over(memory, sizeof(memory));
    for (uint32_t i = 0; i < KEYS_COUNT; i++) {
        bool is_alias = i > 0 && keys[i].offset == keys[i - 1].offset;
        if (!keys[i].counts_at_once && !is_alias && sum_of(&keys[i], config) != started->sums[i]) {
            add_name(&words, keys[i].path);
        }
    }
    if (words.size > 0) {
        log_write(logger, LOG_LEVEL_WARNING, "config",
                  "these keys changed and take effect at the next start: %s", memory);
    }
}

/* The sockets stay where they were bound, and who may ask is settled by the addresses of the
 * configuration: they may not part, or what is bound to the world would be open to it. And who puts
 * another tenants_dir in its place takes it away first: who means to have none empties it. */
struct status config_change_check(const struct config *old, const struct config *new,
                                  struct stats *stats, const struct logger *logger) {
    const char *key = config_diff_listener(old, new);
    bool is_gone = old->tenants_count > 0 && !new->has_tenants_dir;
    if (key == NULL && !is_gone) {
        return status_ok();
    }
    stats_set(stats, STAT_CONFIG_RELOAD_OK, 0); /* before it can be read of */
    if (key != NULL) {
        log_write(logger, LOG_LEVEL_ERROR, "config",
                  "%s: listen.* cannot change while quell runs: start it anew", key);
    } else {
        log_write(logger, LOG_LEVEL_ERROR, "config",
                  "tenants_dir: there is no directory %.*s any more: who means to have no tenants "
                  "leaves it there, empty",
                  SLICE_PRINT(new->tenants_dir));
    }
    return status_of(STATUS_INVALID);
}
