/*
 * replay.c - `quell replay`: a range of a journal through the current rules, into a report. A dry
 * run: the data directory is only read, also beside a running quell, and nobody is told anything.
 */
#include <stdio.h>
#include <stdlib.h>

#include "cli/commands.h"
#include "cli/show.h"
#include "core/base/json_pick.h"
#include "core/base/limits.h"
#include "core/clock.h"
#include "core/datadir.h"
#include "engine/dry_run.h"

enum { SINKS_SHOWN_MAX = 64, NAME_BYTES_MAX = 160 };

struct sink_count {
    char name[NAME_BYTES_MAX]; /* "tenant/sink" */
    uint64_t messages[4];      /* by type */
};

struct replay {
    struct sink_count sinks[SINKS_SHOWN_MAX];
    uint32_t sinks_count;
    uint64_t messages;
    uint64_t incidents;
    uint64_t incidents_shown_max;
    bool is_json;
};

static void on_message(void *context, const struct outbox_message *message) {
    struct replay *replay = context;
    char name[NAME_BYTES_MAX];
    uint32_t at = 0;
    replay->messages++;
    (void)snprintf(name, sizeof(name), "%.*s/%.*s", SLICE_PRINT(message->tenant),
                   SLICE_PRINT(message->sink));
    while (at < replay->sinks_count && strcmp(replay->sinks[at].name, name) != 0) {
        at++;
    }
    if (at == SINKS_SHOWN_MAX) {
        return;
    }
    if (at == replay->sinks_count) {
        memcpy(replay->sinks[replay->sinks_count++].name, name, sizeof(name));
    }
    replay->sinks[at].messages[message->type % 4]++;
}

static void on_incident(void *context, struct slice json) {
    struct replay *replay = context;
    if (replay->incidents++ >= replay->incidents_shown_max) {
        return;
    }
    if (replay->is_json) {
        (void)printf("%s%.*s", replay->incidents == 1 ? "" : ",\n", SLICE_PRINT(json));
        return;
    }
    show_column(json, "opened_at", 24);
    show_column(json, "tenant", 12);
    show_column(json, "severity", 8);
    show_column(json, "status", 12);
    show_column(json, "title", 0);
    uint64_t signals = json_pick_u64(json_pick(json, "signals"), "total");
    (void)printf("(%llu signal%s)\n", (unsigned long long)signals, signals == 1 ? "" : "s");
}

static void add_sinks(const struct replay *replay, struct text *text) {
    for (uint32_t i = 0; i < replay->sinks_count; i++) {
        const struct sink_count *sink = &replay->sinks[i];
        if (replay->is_json) {
            text_add_text(text, i == 0 ? "" : ",");
            text_add_json_string(text, slice_of_text(sink->name));
        } else {
            text_add_text(text, "  ");
            text_add_printable(text, slice_of_text(sink->name));
        }
        text_add_format(text,
                        replay->is_json ? ":{\"opened\":%llu,\"updated\":%llu,\"resolved\":%llu}"
                                        : ": opened %llu, updated %llu, resolved %llu\n",
                        (unsigned long long)sink->messages[OUTBOX_OPENED],
                        (unsigned long long)sink->messages[OUTBOX_UPDATED],
                        (unsigned long long)sink->messages[OUTBOX_RESOLVED]);
    }
}

static void add_json_report(const struct replay *replay, const struct dry_run_report *report,
                            struct text *text) {
    typedef unsigned long long number;
    text_add_format(text,
                    "],\n\"records\":%llu,\"first_record\":%llu,\"last_record\":%llu,"
                    "\"events\":%llu,\"incident_count\":%llu,\"messages\":%llu,"
                    "\"damaged\":%llu,\"sinks\":{",
                    (number)report->records, (number)report->first_seq, (number)report->last_seq,
                    (number)report->events, (number)replay->incidents, (number)replay->messages,
                    (number)report->damaged);
}

static void add_report(const struct replay *replay, const struct dry_run_report *report,
                       struct text *text) {
    text_add_count(text, report->records, "record");
    text_add_format(text, " (%llu to %llu), ", (unsigned long long)report->first_seq,
                    (unsigned long long)report->last_seq);
    text_add_count(text, report->events, "event");
    text_add_text(text, ": ");
    text_add_count(text, replay->incidents, "incident");
    text_add_text(text, ", ");
    text_add_count(text, replay->messages, "message");
    text_add_text(text, "; ");
    text_add_count(text, report->damaged, "damaged place");
    text_add_char(text, '\n');
}

static void print_report(const struct replay *replay, const struct dry_run_report *report) {
    char memory[SINKS_SHOWN_MAX * 512];
    struct text words = text_over(memory, sizeof(memory));
    if (replay->is_json) {
        add_json_report(replay, report, &words);
    } else {
        add_report(replay, report, &words);
    }
    add_sinks(replay, &words);
    (void)printf("%s%s", memory, replay->is_json ? "}}\n" : "");
}

/* --- The range: "120" is a record, "2026-11-20T03:00:00Z" a moment, "24h" that long ago. --- */

static struct status read_bound(const char *word, uint64_t *seq, uint64_t *time_ns,
                                struct fault *fault) {
    uint64_t span_ns = 0;
    if (word == NULL) {
        return status_ok();
    }
    struct slice text = slice_of_text(word);
    if (status_is_ok(text_parse_u64(text, seq)) || status_is_ok(text_parse_time(text, time_ns))) {
        return status_ok();
    }
    if (status_is_ok(text_parse_duration(text, &span_ns))) {
        uint64_t now_ns = clock_wall_ns();
        *time_ns = now_ns > span_ns ? now_ns - span_ns : 0;
        return status_ok();
    }
    return fault_set(fault, STATUS_INVALID,
                     "\"%s\" is no record number, no time (2026-11-20T03:00:00Z) and no span (24h)",
                     word);
}

/* INVALID for what is misused: before anything is opened or made. */
static struct status read_range(const struct cli_options *options, struct replay *replay,
                                struct dry_run_options *run, struct fault *fault) {
    replay->is_json = cli_option(options, "--json") != NULL;
    run->from_seq = 1;
    run->to_seq = UINT64_MAX;
    run->to_ns = UINT64_MAX;
    TRY(cli_option_number(options, "--limit", replay->is_json ? UINT64_MAX : 100,
                          &replay->incidents_shown_max, fault));
    TRY(read_bound(cli_option(options, "--from"), &run->from_seq, &run->from_ns, fault));
    TRY(read_bound(cli_option(options, "--to"), &run->to_seq, &run->to_ns, fault));
    if (run->from_seq > run->to_seq || run->from_ns > run->to_ns) {
        return fault_set(fault, STATUS_INVALID, "--from is behind --to");
    }
    return status_ok();
}

static struct status replay_into(const struct cli_options *options, struct config *config,
                                 const char *scratch, struct replay *replay,
                                 const struct dry_run_options *range, struct fault *fault) {
    struct logger logger = {.fd = 2, .format = config->log_format, .level_min = LOG_LEVEL_WARNING};
    struct datadir datadir;
    char journal[DATADIR_PATH_BYTES_MAX];
    const char *path = cli_option(options, "--data");
    struct dry_run_options run = *range;
    struct dry_run_report report;
    TRY(datadir_peek(path == NULL ? config->data_dir : slice_of_text(path), &datadir, fault));
    TRY(datadir_shard_path(&datadir, 0, "journal", journal));
    run.journal_directory = journal;
    run.scratch_directory = scratch;
    run.config = config;
    run.logger = &logger;
    run.context = replay;
    run.on_incident = on_incident;
    run.on_message = on_message;
    run.hash_seed = datadir.hash_seed;
    if (replay->is_json) {
        (void)printf("{\"incidents\":[");
    }
    TRY(dry_run(&run, &report, fault));
    print_report(replay, &report);
    if (report.records == 0) {
        (void)fprintf(stderr, "quell: no record of the journal in %s is in this range\n", journal);
    }
    return status_ok();
}

int command_replay(const struct cli_options *options) {
    struct config *config = NULL;
    struct fault fault = {{0}};
    struct replay replay = {0};
    struct dry_run_options run = {0};
    const char *place = getenv("TMPDIR");
    char scratch[512];
    if (!status_is_ok(read_range(options, &replay, &run, &fault))) {
        (void)fprintf(stderr, "quell: %s\n", fault.words);
        return 2;
    }
    (void)snprintf(scratch, sizeof(scratch), "%s/quell-replay-XXXXXX",
                   place != NULL ? place : "/tmp");
    if (!status_is_ok(cli_load_config(options, &config))) {
        return 1;
    }
    if (mkdtemp(scratch) == NULL) {
        (void)fprintf(stderr, "quell: cannot make %s\n", scratch);
        config_release(config);
        return 1;
    }
    struct status status = replay_into(options, config, scratch, &replay, &run, &fault);
    datadir_remove(scratch);
    config_release(config);
    if (!status_is_ok(status)) {
        (void)fprintf(stderr, "quell: %s%s\n", fault.words,
                      fault.words[0] == 0 ? status_name(status) : "");
    }
    return status_is_ok(status) ? 0 : 1;
}
