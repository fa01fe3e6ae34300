/* stats.c - see stats.h. */
#include "core/stats.h"

#include "core/base/limits.h"

enum stat_type { COUNTER, GAUGE, COUNTER_NS, GAUGE_NS };

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
    text_add_text(text, "# HELP quell_build_info Which version runs: always 1\n"
                        "# TYPE quell_build_info gauge\n"
                        "quell_build_info{version=\"" QUELL_VERSION "\"} 1\n");
    for (uint32_t i = 0; i < STAT_COUNT; i++) {
        enum stat_type type = descriptions[i].type;
        bool is_counter = type == COUNTER || type == COUNTER_NS;
        uint64_t value = stats_get(stats, (enum stat_number)i);
        text_add_format(text, "# HELP %s %s\n# TYPE %s %s\n%s ", descriptions[i].name,
                        descriptions[i].help, descriptions[i].name,
                        is_counter ? "counter" : "gauge", descriptions[i].name);
        if (type == COUNTER_NS || type == GAUGE_NS) {
            text_add_u64(text, value / NS_PER_S);
            text_add_format(text, ".%09u", (unsigned)(value % NS_PER_S));
        } else {
            text_add_u64(text, value);
        }
        text_add_char(text, '\n');
    }
}
