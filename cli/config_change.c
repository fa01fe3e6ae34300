/* config_change.c - see config_change.h. */
#include "cli/config_change.h"

#include <assert.h>
#include <stddef.h>

#include "cli/config_diff.h"
#include "core/base/hash.h"
#include "core/base/text.h"

/* One that counts from the next start on. */
struct key {
    const char *path;
    size_t offset;
    size_t size;
    bool is_text; /* a struct slice */
};

#define FIELD(field) (((const struct config *)NULL)->field)
#define KEY_START(path, field)                                                                     \
    {path, offsetof(struct config, field), sizeof(FIELD(field)),                                   \
     _Generic(FIELD(field), struct slice                                                           \
              : true, default                                                                      \
              : false)},
#define KEY_RELOAD(path, field)

static const struct key keys[] = {
#define CONFIG_KEY(path, type, field, when) KEY_##when(path, field)
#include "core/config_key_list.h"
#undef CONFIG_KEY
    /* Another file is read at a reload; whether there is any settles who speaks TLS. */
    KEY_START("tls.cert_file", tls.is_on)};

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

void config_started_tell(const struct config_started *started, const struct config *config,
                         const struct logger *logger) {
    char memory[2048];
    struct text words = text_over(memory, sizeof(memory));
    for (uint32_t i = 0; i < KEYS_COUNT; i++) {
        bool is_alias = i > 0 && keys[i].offset == keys[i - 1].offset;
        if (!is_alias && sum_of(&keys[i], config) != started->sums[i]) {
            text_add_text(&words, words.size == 0 ? "" : ", ");
            text_add_text(&words, keys[i].path);
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
    log_write(logger, LOG_LEVEL_ERROR, "config", "%s: %s", key != NULL ? key : "tenants_dir",
              key != NULL ? "listen.* cannot change while quell runs: start it anew"
                          : "there is no such directory any more");
    return status_of(STATUS_INVALID);
}
