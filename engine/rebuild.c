/* rebuild.c - see rebuild.h. */
#include "engine/rebuild.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "core/base/assert.h"
#include "core/clock.h"
#include "core/log.h"
#include "core/store_check.h"

enum { PATH_BYTES_MAX = 1200 };

/* Whether a replay of the journal gives the whole state. */
static struct status check_journal_begins(const struct rebuild_options *options,
                                          struct fault *fault) {
    struct fault damage = *fault;
    uint64_t first_seq = 0;
    TRY(journal_find_first(NULL, options->journal_directory, &first_seq, fault));
    if (first_seq == 1) {
        return status_ok();
    }
    damage.words[FAULT_WORDS_BYTES_MAX / 2] = 0;
    if (first_seq == 0) {
        return fault_set(fault, STATUS_CORRUPT,
                         "%s; and there is no journal in %s to make it anew from: bring both back "
                         "from a copy",
                         damage.words, options->journal_directory);
    }
    return fault_set(fault, STATUS_CORRUPT,
                     "%s; the journal begins at record %llu (journal.retention), so it cannot give "
                     "all of it again: bring %s back from a copy, or move it away to go on with "
                     "what the journal holds",
                     damage.words, (unsigned long long)first_seq, options->state_directory);
}

static struct status set_aside(const struct rebuild_options *options, struct fault *fault) {
    char path[PATH_BYTES_MAX];
    TRY(check_journal_begins(options, fault));
    int size = snprintf(path, sizeof(path), "%s.damaged-%llu", options->state_directory,
                        (unsigned long long)(clock_wall_ns() / NS_PER_S));
    ASSERT(size > 0);
    log_write(options->logger, LOG_LEVEL_ERROR, "engine",
              "%s: it is kept as %s and made anew from the journal", fault->words, path);
    if (size >= PATH_BYTES_MAX || rename(options->state_directory, path) != 0) {
        return fault_set(fault, STATUS_IO, "cannot rename %s: %s", options->state_directory,
                         strerror(errno));
    }
    return status_ok();
}

struct status rebuild_open_store(const struct rebuild_options *options, struct store **store_out,
                                 struct fault *fault) {
    struct store_check_result result;
    struct status status = store_check(NULL, options->state_directory, &result, fault);
    if (status.code == STATUS_CORRUPT) {
        status = set_aside(options, fault);
    } else if (status.code == STATUS_MISSING) {
        status = status_ok();
    }
    TRY(status);
    struct store_options store_options = {
        .directory = options->state_directory,
        .map_bytes_max = 64 * GIB,
    };
    return store_open(&store_options, store_out, fault);
}

struct status rebuild_meet_journal(struct journal *journal, uint64_t applied_seq,
                                   const struct rebuild_options *options, struct fault *fault) {
    uint64_t next_seq = journal_next_seq(journal);
    if (next_seq > applied_seq) {
        return status_ok();
    }
    if (journal_first_seq(journal) == next_seq) {
        return fault_set(
            fault, STATUS_CORRUPT,
            "the journal in %s is empty but the state has applied record %llu: journal "
            "files are missing; restore them or move the data directory away",
            options->journal_directory, (unsigned long long)applied_seq);
    }
    log_write(options->logger, LOG_LEVEL_ERROR, "journal",
              "%s ends at record %llu but the state has applied %llu: their effects are kept, and "
              "numbering goes on behind them; the records themselves cannot be replayed any more",
              options->journal_directory, (unsigned long long)(next_seq - 1),
              (unsigned long long)applied_seq);
    journal_skip_to(journal, applied_seq + 1);
    return status_ok();
}
