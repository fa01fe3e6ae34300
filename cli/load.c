/* load.c - `quell load`: drives any OTLP or quell server, or a topic of Kafka, at a constant rate
 * (bench/open_loop.h). */
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "bench/open_loop.h"
#include "cli/commands.h"
#include "core/base/assert.h"

enum { SERVICES_DEFAULT = 200, REPORT_BYTES_MAX = 8192 };

/* With it the time between two requests still fits into a count of nanoseconds. */
#define RATE_MIN 0.001
enum { PROPERTIES_MAX = 32 };
enum flag_kind { WORDS, COUNT, SHARE, SPAN, RATE, PROTOCOL, PROPERTY, SWITCH };

struct load_flags {
    struct open_loop_options load;
    const char *url;
    char host[LOAD_HOST_BYTES_MAX]; /* taken from the URL */
    const char *kafka;              /* brokers; NULL: HTTP */
    const char *topic;
    struct config_setting properties[PROPERTIES_MAX]; /* of librdkafka */
    bool prints_json;
    bool wants_help;
};

#define FIELD(name) offsetof(struct load_flags, name)
static const struct {
    const char *name;
    const char *value; /* what stands for it in the help; NULL: the flag takes none */
    const char *help;
    size_t field;
    enum flag_kind kind;
    uint32_t count_min;
    uint32_t count_max;
} flags[] = {
    {"--url", "URL", "where to (http://127.0.0.1:4318)", FIELD(url), WORDS, 0, 0},
    {"--kafka", "LIST",
     "brokers host:port,...: each request is a message there, answered by its "
     "acknowledgement",
     FIELD(kafka), WORDS, 0, 0},
    {"--topic", "NAME", "of Kafka", FIELD(topic), WORDS, 0, 0},
    {"--property", "K=V", "of librdkafka, such as compression.codec=zstd; may come again",
     FIELD(properties), PROPERTY, 0, 0},
    {"--protocol", "NAME", "otlp-json, otlp-proto or native (otlp-json)",
     FIELD(load.world.protocol), PROTOCOL, 0, 0},
    {"--rate", "N|max", "records a second, or as many as are taken (10000)",
     FIELD(load.records_per_second), RATE, 0, 0},
    {"--duration", "SPAN", "how long (10s)", FIELD(load.duration_ns), SPAN, 0, 0},
    {"--connections", "N", "keep-alive connections (16)", FIELD(load.connections), COUNT, 1,
     LOAD_CONNECTIONS_MAX},
    {"--batch", "N", "records a request (100)", FIELD(load.world.batch_records), COUNT, 1,
     LOAD_BATCH_RECORDS_MAX},
    {"--attributes", "N", "of a log record, beside its ids and its resource's (2)",
     FIELD(load.world.attributes), COUNT, 0, LOAD_ATTRIBUTES_MAX},
    {"--errors", "SHARE", "of the records that are bad news (0.01)", FIELD(load.world.errors),
     SHARE, 0, 0},
    {"--duplicates", "SHARE", "of the requests that are sent twice (0)", FIELD(load.duplicates),
     SHARE, 0, 0},
    {"--services", "N", "services or jobs in trees of fifty, Zipf (200)",
     FIELD(load.world.services), COUNT, 1, ZIPF_RANKS_MAX},
    {"--tenants", "N", "tenants load-0, load-1, ... by X-Scope-OrgID, Zipf (1: no header)",
     FIELD(load.world.tenants), COUNT, 1, ZIPF_RANKS_MAX},
    {"--token", "TOKEN", "bearer token", FIELD(load.world.token), WORDS, 0, 0},
    {"--seed", "N", "the same seed makes the same records (1)", FIELD(load.world.seed), COUNT, 0,
     UINT32_MAX},
    {"--timeout", "SPAN", "for an answer (10s)", FIELD(load.timeout_ns), SPAN, 0, 0},
    {"--pid", "PID", "the server's: tells its CPU-seconds and memory", FIELD(load.server_pid),
     COUNT, 1, UINT32_MAX},
    {"--record", "FILE", "keeps what is sent", FIELD(load.record_path), WORDS, 0, 0},
    {"--replay", "FILE", "sends a kept load, with its own timing", FIELD(load.replay_path), WORDS,
     0, 0},
    {"--json", NULL, "prints the result as JSON", FIELD(prints_json), SWITCH, 0, 0},
    {"--help", NULL, "this text", FIELD(wants_help), SWITCH, 0, 0},
};
enum { FLAGS_COUNT = sizeof(flags) / sizeof(flags[0]) };

static void print_help(FILE *out) {
    (void)fprintf(out, "usage: quell load [flags]\n\n"
                       "Sends made-up events at a constant rate and measures from the moment at "
                       "which each\nrequest was due. Exit code 1 when anything was not "
                       "accepted.\n\n");
    for (size_t i = 0; i < FLAGS_COUNT; i++) {
        (void)fprintf(out, "  %-13s %-6s %s\n", flags[i].name,
                      flags[i].value == NULL ? "" : flags[i].value, flags[i].help);
    }
}

static struct status set_number(double number, double limit, double *field) {
    if (!(number >= 0 && number <= limit)) {
        return status_of(STATUS_INVALID);
    }
    *field = number;
    return status_ok();
}

static struct status parse_number(const char *value, double *number_out) {
    char *end = NULL;
    double number = strtod(value, &end);
    if (end == value || *end != 0) {
        return status_of(STATUS_INVALID);
    }
    *number_out = number;
    return status_ok();
}

static struct status set_count(size_t flag, const char *value, void *field) {
    uint64_t count = 0;
    TRY(text_parse_u64(slice_of_text(value), &count));
    if (count < flags[flag].count_min || count > flags[flag].count_max) {
        return status_of(STATUS_INVALID);
    }
    if (flags[flag].field == FIELD(load.world.seed)) {
        *(uint64_t *)field = count;
    } else {
        *(uint32_t *)field = (uint32_t)count;
    }
    return status_ok();
}

static struct status set_protocol(const char *value, enum load_protocol *protocol) {
    for (int i = 0; i < LOAD_PROTOCOLS; i++) {
        if (strcmp(value, load_protocol_names[i]) == 0) {
            *protocol = (enum load_protocol)i;
            return status_ok();
        }
    }
    return status_of(STATUS_INVALID);
}

static struct status add_property(struct load_flags *parsed, struct slice value) {
    struct load_kafka_options *kafka = &parsed->load.kafka;
    struct slice key = slice_head(value, slice_find_byte(value, '='));
    if (kafka->properties_count == PROPERTIES_MAX || key.size == value.size) {
        return status_of(STATUS_INVALID);
    }
    parsed->properties[kafka->properties_count++] =
        (struct config_setting){.key = key, .value = slice_tail(value, key.size + 1)};
    return status_ok();
}

static struct status set_flag(struct load_flags *parsed, size_t flag, const char *value) {
    ASSERT((value == NULL) == (flags[flag].kind == SWITCH));
    void *field = (char *)parsed + flags[flag].field;
    double number = 0;
    switch (flags[flag].kind) {
    case SWITCH:
        *(bool *)field = true;
        return status_ok();
    case WORDS:
        *(const char **)field = value;
        return status_ok();
    case SPAN:
        return text_parse_duration(slice_of_text(value), field);
    case PROTOCOL:
        return set_protocol(value, field);
    case PROPERTY:
        return add_property(parsed, slice_of_text(value));
    case COUNT:
        return set_count(flag, value, field);
    case RATE:
        if (strcmp(value, "max") != 0) {
            TRY(parse_number(value, &number));
            TRY(status_of(number < RATE_MIN ? STATUS_INVALID : STATUS_OK)); /* 0 stands for max */
        }
        return set_number(number, 1e9, field);
    case SHARE:
        TRY(parse_number(value, &number));
        return set_number(number, 1, field);
    }
    return status_of(STATUS_INVALID);
}

static struct status refuse_flag(const char *word, struct fault *fault) {
    char memory[128];
    struct text meant = text_over(memory, sizeof(memory));
    struct text_guess guess = text_guess_of(slice_head(slice_of_text(word), strcspn(word, "=")));
    for (size_t i = 0; i < FLAGS_COUNT; i++) {
        text_guess_try(&guess, flags[i].name);
    }
    text_add_guess(&meant, &guess);
    return fault_set(fault, STATUS_INVALID, "unknown argument \"%s\"%.*s see quell load --help",
                     word, SLICE_PRINT(meant.size > 0 ? text_slice(&meant) : SLICE(";")));
}

/* "--name value" or "--name=value"; moves `at` behind what it took. */
static struct status parse_flag(int count, char **words, int *at, struct load_flags *parsed,
                                struct fault *fault) {
    const char *word = words[*at];
    size_t name_bytes = strcspn(word, "=");
    for (size_t i = 0; i < FLAGS_COUNT; i++) {
        if (strlen(flags[i].name) != name_bytes || strncmp(word, flags[i].name, name_bytes) != 0) {
            continue;
        }
        const char *value = word[name_bytes] == '=' ? word + name_bytes + 1 : NULL;
        if (flags[i].value != NULL && value == NULL) {
            *at += 1;
            value = *at < count ? words[*at] : NULL;
        }
        if ((flags[i].value == NULL) != (value == NULL) ||
            !status_is_ok(set_flag(parsed, i, value))) {
            return fault_set(fault, STATUS_INVALID, "%s wants %s: %s", flags[i].name,
                             flags[i].value == NULL ? "no value" : flags[i].value, flags[i].help);
        }
        return status_ok();
    }
    return refuse_flag(word, fault);
}

static int print_result(const struct load_flags *parsed, const struct load_report *report) {
    char memory[REPORT_BYTES_MAX];
    struct text text = text_over(memory, sizeof(memory));
    if (parsed->prints_json) {
        load_report_add_json(&text, report);
    } else {
        load_report_add_table(&text, report);
    }
    (void)printf("%s%s", text.data, parsed->prints_json ? "\n" : "");
    bool is_whole = report->requests_sent > 0 && report->requests_unsent == 0 &&
                    report->requests_accepted == report->requests_sent;
    return is_whole ? 0 : 1;
}

static struct status find_kafka(struct load_flags *parsed, struct fault *fault) {
    struct load_kafka_options *kafka = &parsed->load.kafka;
    if (parsed->topic == NULL || strlen(parsed->topic) > STREAM_TOPIC_BYTES_MAX) {
        return fault_set(fault, STATUS_INVALID, "--kafka wants --topic NAME, too");
    }
    kafka->brokers = slice_of_text(parsed->kafka);
    kafka->topic = slice_of_text(parsed->topic);
    kafka->properties = parsed->properties;
    parsed->load.world.host = "kafka"; /* in recorded requests */
    return status_ok();
}

static struct status find_server(struct load_flags *parsed, struct fault *fault) {
    if (parsed->topic != NULL || parsed->load.kafka.properties_count > 0) {
        return fault_set(fault, STATUS_INVALID, "%s goes with --kafka LIST, which is missing",
                         parsed->topic != NULL ? "--topic" : "--property");
    }
    struct open_loop_options *load = &parsed->load;
    load->world.host = parsed->host;
    return open_loop_parse_url(parsed->url, &load->address, parsed->host, &load->world.path, fault);
}

static struct status run_load(struct load_flags *parsed, struct load_report *report,
                              struct fault *fault) {
    struct open_loop_options *load = &parsed->load;
    TRY(parsed->kafka != NULL ? find_kafka(parsed, fault) : find_server(parsed, fault));
    load->shows_progress = isatty(STDERR_FILENO) == 1;
    return open_loop_run(load, report, fault);
}

int command_load(int count, char **words) {
    struct load_flags parsed = {
        .url = "http://127.0.0.1:4318",
        .load = {.world = {.seed = 1,
                           .batch_records = 100,
                           .services = SERVICES_DEFAULT,
                           .tenants = 1,
                           .attributes = 2,
                           .errors = 0.01},
                 .records_per_second = 10000,
                 .duration_ns = 10ULL * 1000 * 1000 * 1000,
                 .timeout_ns = 10ULL * 1000 * 1000 * 1000,
                 .connections = 16},
    };
    struct load_report report;
    struct fault fault = {{0}};
    struct status status = status_ok();
    for (int at = 0; at < count && status_is_ok(status); at++) {
        status = parse_flag(count, words, &at, &parsed, &fault);
    }
    if (parsed.wants_help) {
        print_help(stdout);
        return 0;
    }
    if (status_is_ok(status)) {
        status = run_load(&parsed, &report, &fault);
    }
    if (!status_is_ok(status)) {
        (void)fprintf(stderr, "quell: %s\n", fault.words);
        return status.code == STATUS_INVALID ? 2 : 1;
    }
    return print_result(&parsed, &report);
}
