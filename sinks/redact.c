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

static bool is_blank(uint8_t byte) {
    return byte == ' ' || (byte >= '\t' && byte <= '\r');
}

/* What is said goes on in one line: libpq's words, and many a body, have several. */
struct line {
    struct text *words;
    size_t start;
    bool has_blank; /* before what comes next */
};

static void add_word(struct line *line, struct slice word) {
    if (line->has_blank && line->words->size > line->start) {
        text_add_char(line->words, ' ');
    }
    line->has_blank = false;
    text_add_printable(line->words, word);
}

static void add_words(struct line *line, struct slice said) {
    size_t at = 0;
    while (at < said.size) {
        size_t end = at;
        while (end < said.size && !is_blank(said.data[end])) {
            end++;
        }
        if (end > at) {
            add_word(line, slice_of(said.data + at, end - at));
        }
        line->has_blank = line->has_blank || end < said.size;
        at = end + 1;
    }
}

void redact_add(struct text *words, struct slice said, const struct config_sink *config) {
    struct line line = {.words = words, .start = words->size};
    size_t plain = 0; /* since where nothing is written yet */
    size_t at = 0;
    while (at < said.size) {
        size_t run = secret_run(slice_tail(said, at), config);
        if (run < REDACT_RUN_BYTES_MIN) {
            at++;
            continue;
        }
        add_words(&line, slice_of(said.data + plain, at - plain));
        add_word(&line, SLICE("***"));
        at += run;
        plain = at;
    }
    add_words(&line, slice_tail(said, plain));
}
