/* redact.c - see redact.h. */
#include "sinks/redact.h"

static size_t common_run(struct slice a, struct slice b) {
    size_t size = 0;
    while (size < a.size && size < b.size && a.data[size] == b.data[size]) {
        size++;
    }
    return size;
}

/* The longest run at the front of `said` that stands anywhere in a secret. */
static size_t secret_run(struct slice said, const struct config_sink *config) {
    size_t longest = 0;
    for (uint32_t i = 0; i < config->settings_count; i++) {
        struct slice value = config->settings[i].value;
        for (size_t at = 0; config->settings[i].is_secret && at < value.size; at++) {
            size_t run = common_run(said, slice_tail(value, at));
            longest = run > longest ? run : longest;
        }
    }
    return longest;
}

void redact_add(struct text *words, struct slice said, const struct config_sink *config) {
    size_t plain = 0; /* since where nothing is written yet */
    size_t at = 0;
    while (at < said.size) {
        size_t run = secret_run(slice_tail(said, at), config);
        if (run < REDACT_RUN_BYTES_MIN) {
            at++;
            continue;
        }
        text_add_printable(words, slice_of(said.data + plain, at - plain));
        text_add_text(words, "***");
        at += run;
        plain = at;
    }
    text_add_printable(words, slice_tail(said, plain));
}
