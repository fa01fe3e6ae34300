/*
 * check_data.c - `quell check --data DIR`: is everything in a data directory whole? Every block of
 * the journal, every page and row of the state, and whether the two belong together. Takes the
 * directory's lock, changes nothing.
 */
#include <stdio.h>

#include "cli/commands.h"
#include "core/datadir.h"
#include "core/journal.h"
#include "core/state_copy.h"
#include "core/store_check.h"

enum { DAMAGES_SHOWN_MAX = 20 };

/* What was found. */
struct found {
    uint64_t first_seq;
    uint64_t last_seq;
    uint64_t segment_seq; /* where the journal's oldest file begins, records or not; 0: no file */
    uint64_t records;
    uint64_t bytes;
    uint64_t damages;
    bool has_state;
    struct store_check_result state;
    uint64_t copy_seq; /* what the copy of the state has applied; 0: there is none */
};

static void tell(struct found *found, const char *words) {
    if (found->damages++ < DAMAGES_SHOWN_MAX) {
        (void)fprintf(stderr, "damaged: %s\n", words);
    }
}

static struct status check_journal(const struct datadir *datadir, struct found *found,
                                   struct fault *fault) {
    char path[DATADIR_PATH_BYTES_MAX];
    struct journal_reader *reader = NULL;
    struct slice record;
    uint64_t seq = 0;
    TRY(datadir_shard_path(datadir, 0, "journal", path));
    TRY(journal_find_first(NULL, path, &found->segment_seq, fault));
    TRY(journal_reader_open(NULL, path, 1, &reader, fault));
    struct status status = journal_reader_next(reader, &record, &seq, fault);
    while (status_is_ok(status) || status.code == STATUS_CORRUPT) {
        if (status_is_ok(status)) {
            found->first_seq = found->records == 0 ? seq : found->first_seq;
            found->last_seq = seq;
            found->records++;
            found->bytes += record.size;
        } else {
            tell(found, fault->words);
        }
        status = journal_reader_next(reader, &record, &seq, fault);
    }
    journal_reader_close(reader);
    return status.code == STATUS_END ? status_ok() : status;
}

static struct status check_state(const struct datadir *datadir, struct found *found,
                                 struct fault *fault) {
    char path[DATADIR_PATH_BYTES_MAX];
    TRY(datadir_shard_path(datadir, 0, "state", path));
    struct status status = store_check(NULL, path, NULL, &found->state, fault);
    if (status.code == STATUS_CORRUPT) {
        tell(found, fault->words);
        return status_ok();
    }
    if (status.code == STATUS_MISSING) {
        return status_ok();
    }
    TRY(status);
    found->has_state = true;
    return status_ok();
}

static void check_copy(const struct datadir *datadir, struct found *found, struct fault *fault) {
    char path[DATADIR_PATH_BYTES_MAX];
    char copy[STATE_COPY_PATH_BYTES_MAX];
    struct store_check_result result;
    if (!status_is_ok(datadir_shard_path(datadir, 0, "state", path))) {
        return;
    }
    found->copy_seq = state_copy_find(path, copy);
    if (found->copy_seq > 0 && !status_is_ok(store_check(NULL, copy, NULL, &result, fault))) {
        tell(found, fault->words);
    }
}

/* The state must not miss records between what it has applied and what the journal holds, nor the
 * journal what the state has applied. Where the state is gone, its copy stands for it; without
 * either, record 1 is to be there. */
static void check_joint(struct found *found, struct fault *fault) {
    typedef unsigned long long number;
    uint64_t applied = found->has_state ? found->state.applied_seq : found->copy_seq;
    uint64_t first = found->records > 0 ? found->first_seq : found->segment_seq;
    uint64_t last = found->records > 0 ? found->last_seq : first > 0 ? first - 1 : 0;
    if (applied + 1 < first) {
        fault_write(fault, "records %llu to %llu are in neither state nor journal",
                    (number)applied + 1, (number)first - 1);
        tell(found, fault->words);
    }
    if (applied > last) {
        fault_write(fault, "the journal ends at record %llu, the state has applied %llu",
                    (number)last, (number)applied);
        tell(found, fault->words);
    }
}

static void add_found_json(const struct found *found, uint64_t behind, struct text *text) {
    typedef unsigned long long number;
    text_add_format(
        text,
        "{\"first_record\":%llu,\"last_record\":%llu,\"journal_bytes\":%llu,\"rows\":%llu,"
        "\"pages\":%llu,\"applied\":%llu,\"behind\":%llu,\"copy\":%llu,"
        "\"digest\":\"%016llx%016llx\",\"damages\":%llu}\n",
        (number)found->first_seq, (number)found->last_seq, (number)found->bytes,
        (number)found->state.rows, (number)found->state.pages, (number)found->state.applied_seq,
        (number)behind, (number)found->copy_seq, (number)found->state.digest.hi,
        (number)found->state.digest.lo, (number)found->damages);
}

static void add_found(const struct found *found, uint64_t behind, struct text *text) {
    typedef unsigned long long number;
    text_add_format(text, "journal: records %llu to %llu, ", (number)found->first_seq,
                    (number)found->last_seq);
    text_add_count(text, found->bytes, "byte");
    text_add_text(text, "\nstate: ");
    text_add_count(text, found->state.rows, "row");
    text_add_text(text, " in ");
    text_add_count(text, found->state.pages, "page");
    text_add_format(text,
                    ", record %llu applied, %llu behind\n"
                    "copy of the state: record %llu (0: none)\n"
                    "digest: %016llx%016llx\n",
                    (number)found->state.applied_seq, (number)behind, (number)found->copy_seq,
                    (number)found->state.digest.hi, (number)found->state.digest.lo);
    text_add_count(text, found->damages, "damaged place");
    text_add_char(text, '\n');
}

static void print_found(const struct found *found, bool is_json) {
    uint64_t applied = found->state.applied_seq;
    uint64_t behind = found->last_seq > applied ? found->last_seq - applied : 0;
    char memory[1024];
    struct text line = text_over(memory, sizeof(memory));
    if (is_json) {
        add_found_json(found, behind, &line);
    } else {
        add_found(found, behind, &line);
    }
    (void)printf("%s", memory);
}

int check_data(const struct cli_options *options) {
    struct datadir datadir = {.lock_fd = -1};
    struct found found = {0};
    struct fault fault = {{0}};
    const char *path = cli_option(options, "--data");
    struct status status = datadir_open_existing(slice_of_text(path), &datadir, &fault);
    if (status_is_ok(status)) {
        status = check_journal(&datadir, &found, &fault);
    }
    if (status_is_ok(status)) {
        status = check_state(&datadir, &found, &fault);
        check_copy(&datadir, &found, &fault);
    }
    datadir_close(&datadir);
    if (!status_is_ok(status)) {
        (void)fprintf(stderr, "quell: %s\n", fault.words);
        return 1;
    }
    check_joint(&found, &fault);
    print_found(&found, cli_option(options, "--json") != NULL);
    return found.damages == 0 ? 0 : 1;
}
