/*
 * config_elsewhere.c - a key that is known, but not where it was written: which sections know it.
 * The one whose name is nearly the one that was written is told alone ([incident] is easily written
 * for [incidents]), or else all of them, in the order of config_key_list.h.
 */
#include "core/config_rules.h"

#include "core/base/assert.h"

enum { SECTIONS_TOLD_MAX = 8, SECTION_BYTES_MAX = 32 };

struct list {
    const char *where;       /* "[[job]]" */
    const char *const *keys; /* ends with NULL */
};

static const struct list lists[CONFIG_LIST_COUNT] = {
#define CONFIG_LIST_KEYS(name, where, ...)                                                         \
    [CONFIG_LIST_##name] = {where, (const char *const[]){__VA_ARGS__, NULL}},
#include "core/config_key_list.h"
#undef CONFIG_LIST_KEYS
};

static const char *const process_paths[] = {
#define CONFIG_KEY(path, ...) path,
#include "core/config_key_list.h"
#undef CONFIG_KEY
};

static const char *const policy_paths[] = {
#define CONFIG_POLICY_KEY(path, ...) path,
#include "core/config_key_list.h"
#undef CONFIG_POLICY_KEY
    "dedup.by", /* of no scalar type, and so not in the list */
};

const char *const *config_list_keys(enum config_list list) {
    ASSERT(list < CONFIG_LIST_COUNT);
    return lists[list].keys;
}

/* Of one key: the sections that know it, as they are to be told. */
struct sections {
    struct slice key;
    const char *written; /* the section in which it was found */
    struct text_guess guess;
    char told[SECTIONS_TOLD_MAX][SECTION_BYTES_MAX];
    uint32_t count;
    const char *nearest; /* of `told` */
    bool is_at_top;      /* it is a key without a section, too */
};

/* `name`: "incidents", without what is to stand around it. */
static void add_section(struct sections *sections, const char *before, const char *name,
                        const char *after) {
    if (sections->count == SECTIONS_TOLD_MAX) {
        return;
    }
    char *told = sections->told[sections->count];
    struct text text = text_over(told, SECTION_BYTES_MAX - 1);
    text_add_format(&text, "%s%s%s", before, name, after);
    told[text.size] = 0;
    for (uint32_t i = 0; i < sections->count; i++) {
        if (strcmp(sections->told[i], told) == 0) {
            return;
        }
    }
    sections->count++;
    unsigned distance = sections->guess.distance;
    text_guess_try(&sections->guess, name);
    sections->nearest = sections->guess.distance < distance ? told : sections->nearest;
}

static void add_path(struct sections *sections, const char *path, bool is_process,
                     bool is_of_tenant) {
    char name[SECTION_BYTES_MAX] = {0};
    size_t dot = strcspn(path, ".");
    ASSERT(dot < sizeof(name));
    bool is_at_top = path[dot] == 0;
    if (!slice_equals(sections->key, slice_of_text(is_at_top ? path : path + dot + 1))) {
        return;
    }
    memcpy(name, path, dot);
    bool is_here = !is_at_top && strcmp(name, sections->written) == 0;
    bool is_far = is_process && (is_of_tenant || is_here); /* [limits] is in both files */
    const char *after = is_far ? "] of quell.toml" : "]";
    if (is_at_top) {
        sections->is_at_top = true;
    } else {
        add_section(sections, is_here && !is_process ? "[defaults." : "[", name, after);
    }
}

static void find_lists(struct sections *sections, bool is_of_tenant) {
    for (uint32_t list = 0; list < CONFIG_LIST_COUNT; list++) {
        bool is_far = list == CONFIG_LIST_KAFKA && is_of_tenant;
        for (uint32_t i = 0; lists[list].keys[i] != NULL; i++) {
            if (slice_equals(sections->key, slice_of_text(lists[list].keys[i]))) {
                add_section(sections, "", lists[list].where, is_far ? " of quell.toml" : "");
            }
        }
    }
}

static void find_sections(struct sections *sections, bool is_of_tenant) {
    for (size_t i = 0; i < sizeof(process_paths) / sizeof(process_paths[0]); i++) {
        add_path(sections, process_paths[i], true, is_of_tenant);
    }
    for (size_t i = 0; i < sizeof(policy_paths) / sizeof(policy_paths[0]); i++) {
        add_path(sections, policy_paths[i], false, is_of_tenant);
    }
    find_lists(sections, is_of_tenant);
}

void config_add_elsewhere(struct text *text, const char *section, struct slice key,
                          bool is_of_tenant) {
    struct sections sections = {
        .key = key, .written = section, .guess = text_guess_of(slice_of_text(section))};
    find_sections(&sections, is_of_tenant);
    if (sections.nearest != NULL) {
        text_add_format(text, ": it stands in %s", sections.nearest);
        return;
    }
    if (sections.count == 0 && sections.is_at_top) {
        text_add_text(text, ": it stands at the top of quell.toml, before all sections");
    }
    for (uint32_t i = 0; i < sections.count; i++) {
        bool is_last = i + 1 == sections.count;
        text_add_text(text, i == 0 ? ": it stands in " : is_last ? " or " : ", ");
        text_add_text(text, sections.told[i]);
    }
}
