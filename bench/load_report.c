/* load_report.c - see load_report.h. */
#include "bench/load_report.h"

static const struct {
    const char *name;
    double share;
} quantiles[] = {{"p50", 0.5}, {"p90", 0.9}, {"p99", 0.99}, {"p99.9", 0.999}};

void load_report_add(struct load_report *report, const struct load_outcome *outcome) {
    uint64_t *const counts[] = {
        [LOAD_ACCEPTED] = &report->requests_accepted,
        [LOAD_REFUSED] = &report->requests_refused,
        [LOAD_REJECTED] = &report->requests_rejected,
        [LOAD_TIMED_OUT] = &report->requests_timed_out,
        [LOAD_FAILED] = &report->requests_failed,
    };
    *counts[outcome->fate] += 1;
    report->records_accepted += outcome->records_accepted;
    /* Without those that waited longest, a server that hangs would look fast. */
    if (outcome->fate == LOAD_ACCEPTED || outcome->fate == LOAD_TIMED_OUT) {
        histogram_add(&report->latency_ns, outcome->latency_ns);
    }
    if (outcome->words != NULL && report->trouble[0] == 0) {
        struct text text = text_over(report->trouble, sizeof(report->trouble) - 1);
        text_add_text(&text, outcome->words);
    }
}

static double per_second(uint64_t amount, uint64_t span_ns) {
    return span_ns == 0 ? 0 : (double)amount * 1e9 / (double)span_ns;
}

/* 1234567 -> "1,234,567" */
static void add_grouped(struct text *text, uint64_t value) {
    if (value >= 1000) {
        add_grouped(text, value / 1000);
        text_add_format(text, ",%03u", (unsigned)(value % 1000));
        return;
    }
    text_add_u64(text, value);
}

static void add_milliseconds(struct text *text, uint64_t span_ns) {
    text_add_format(text, "%.3g ms", (double)span_ns / 1e6);
}

void load_report_add_progress(struct text *text, const struct load_report *report,
                              uint64_t records_before, uint64_t span_ns) {
    text_add_format(text, "%.1f s  ", (double)report->took_ns / 1e9);
    add_grouped(text, (uint64_t)per_second(report->records_accepted - records_before, span_ns));
    text_add_text(text, " records/s  p99 ");
    add_milliseconds(text, histogram_at(&report->latency_ns, 0.99));
    text_add_text(text, "  refused ");
    add_grouped(text, report->requests_refused);
    text_add_text(text, "  failed ");
    add_grouped(text,
                report->requests_failed + report->requests_timed_out + report->requests_rejected);
}

static void add_row(struct text *text, const char *name, uint64_t value) {
    text_add_format(text, "  %-22s ", name);
    add_grouped(text, value);
    text_add_char(text, '\n');
}

static void add_latency_rows(struct text *text, const struct load_report *report) {
    text_add_text(text, "latency since due\n");
    for (size_t i = 0; i < sizeof(quantiles) / sizeof(quantiles[0]); i++) {
        text_add_format(text, "  %-22s ", quantiles[i].name);
        add_milliseconds(text, histogram_at(&report->latency_ns, quantiles[i].share));
        text_add_char(text, '\n');
    }
    text_add_format(text, "  %-22s ", "max");
    add_milliseconds(text, report->latency_ns.value_max);
    text_add_char(text, '\n');
}

static double records_per_cpu_second(const struct load_report *report) {
    return report->server.cpu_seconds <= 0
               ? 0
               : (double)report->records_accepted / report->server.cpu_seconds;
}

/* What became of the requests: for people, and in JSON. */
#define REQUEST_COUNT(words, field)                                                                \
    { words, #field, offsetof(struct load_report, field) }
static const struct {
    const char *words;
    const char *name;
    size_t offset; /* of a uint64_t in struct load_report */
} request_counts[] = {
    REQUEST_COUNT("sent", requests_sent),
    REQUEST_COUNT("accepted", requests_accepted),
    REQUEST_COUNT("refused for now", requests_refused),
    REQUEST_COUNT("rejected", requests_rejected),
    REQUEST_COUNT("timed out", requests_timed_out),
    REQUEST_COUNT("connection failed", requests_failed),
    REQUEST_COUNT("due but never sent", requests_unsent),
};
#undef REQUEST_COUNT
enum { REQUEST_COUNTS = sizeof(request_counts) / sizeof(request_counts[0]) };

static uint64_t request_count_of(const struct load_report *report, size_t i) {
    uint64_t count;
    memcpy(&count, (const uint8_t *)report + request_counts[i].offset, sizeof(count));
    return count;
}

void load_report_add_table(struct text *text, const struct load_report *report) {
    text_add_format(text, "took %.2f s, %.1f MB/s\nrequests\n", (double)report->took_ns / 1e9,
                    per_second(report->bytes_sent, report->took_ns) / 1e6);
    for (size_t i = 0; i < REQUEST_COUNTS; i++) {
        add_row(text, request_counts[i].words, request_count_of(report, i));
    }
    text_add_text(text, "records\n");
    add_row(text, "accepted", report->records_accepted);
    add_row(text, "accepted per second",
            (uint64_t)per_second(report->records_accepted, report->took_ns));
    add_latency_rows(text, report);
    if (report->trouble[0] != 0) {
        text_add_format(text, "first failure: %s\n", report->trouble);
    }
    if (report->server.pid != 0) {
        text_add_format(text, "server process %u\n  %-22s %.2f\n", report->server.pid,
                        "CPU-seconds", report->server.cpu_seconds);
        add_row(text, "records per CPU-second", (uint64_t)records_per_cpu_second(report));
        text_add_format(text, "  %-22s %.1f\n", "peak resident MB",
                        (double)report->server.resident_bytes_max / 1e6);
    }
}

static void add_field(struct text *text, const char *name, uint64_t value) {
    text_add_format(text, "\"%s\":%llu,", name, (unsigned long long)value);
}

void load_report_add_json(struct text *text, const struct load_report *report) {
    text_add_char(text, '{');
    add_field(text, "took_ns", report->took_ns);
    for (size_t i = 0; i < REQUEST_COUNTS; i++) {
        add_field(text, request_counts[i].name, request_count_of(report, i));
    }
    add_field(text, "records_accepted", report->records_accepted);
    add_field(text, "records_per_second",
              (uint64_t)per_second(report->records_accepted, report->took_ns));
    add_field(text, "bytes_sent", report->bytes_sent);
    text_add_text(text, "\"latency_ns\":{");
    for (size_t i = 0; i < sizeof(quantiles) / sizeof(quantiles[0]); i++) {
        add_field(text, quantiles[i].name, histogram_at(&report->latency_ns, quantiles[i].share));
    }
    add_field(text, "mean", histogram_mean(&report->latency_ns));
    text_add_format(text, "\"max\":%llu}", (unsigned long long)report->latency_ns.value_max);
    if (report->trouble[0] != 0) {
        text_add_text(text, ",\"trouble\":");
        text_add_json_string(text, slice_of_text(report->trouble));
    }
    if (report->server.pid != 0) {
        text_add_format(text,
                        ",\"server\":{\"cpu_seconds\":%.3f,\"records_per_cpu_second\":%.0f,"
                        "\"resident_bytes_max\":%llu}",
                        report->server.cpu_seconds, records_per_cpu_second(report),
                        (unsigned long long)report->server.resident_bytes_max);
    }
    text_add_char(text, '}');
}
