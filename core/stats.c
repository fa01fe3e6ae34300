/* stats.c - see stats.h. */
#include "core/stats.h"

enum stat_type { COUNTER, GAUGE };

static const struct {
    const char *name;
    enum stat_type type;
    const char *help;
} descriptions[STAT_COUNT] = {
#define STAT(name, text, type, help) [STAT_##name] = {(text), (type), (help)},
#include "core/stats_list.h"
#undef STAT
};

void stats_add_prometheus(const struct stats *stats, struct text *text) {
    for (uint32_t i = 0; i < STAT_COUNT; i++) {
        text_add_format(text, "# HELP %s %s\n# TYPE %s %s\n%s ", descriptions[i].name,
                        descriptions[i].help, descriptions[i].name,
                        descriptions[i].type == COUNTER ? "counter" : "gauge",
                        descriptions[i].name);
        text_add_u64(text, stats_get(stats, (enum stat_number)i));
        text_add_char(text, '\n');
    }
}
