/* rebuild.c - see rebuild.h. */
#include "engine/rebuild.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "core/base/assert.h"
#include "core/clock.h"
#include "core/file.h"
#include "core/log.h"
#include "core/state_copy.h"
#include "core/store_check.h"

enum { PATH_BYTES_MAX = 1200 };

/* What the whole state can be made from: the journal alone, or a copy and the journal behind it. */
struct origin {
    uint64_t first_seq;                   /* of the journal; 0: there is none */
    char copy[STATE_COPY_PATH_BYTES_MAX]; /* empty: the journal alone */
};

static struct status refuse(const struct rebuild_options *options, const struct origin *origin,
                            const char *damage, struct fault *fault) {
    if (origin->first_seq == 0) {
        return fault_set(fault, STATUS_CORRUPT,
                         "%s; and there is no journal in %s to make it anew from: bring both back "
                         "from a copy",
                         damage, options->journal_directory);
    }
    return fault_set(fault, STATUS_CORRUPT,
                     "%s; the journal begins at record %llu (journal.retention) and there is no "
                     "sound copy of the state that reaches so far: bring %s back from a backup, or "
                     "move it away to go on with what the journal holds",
                     damage, (unsigned long long)origin->first_seq, options->state_directory);
}

/* CORRUPT when there is nothing that gives the whole state. */
static struct status find_origin(const struct rebuild_options *options, struct origin *origin_out,
                                 struct fault *fault) {
    struct store_check_result result;
    struct fault damage = *fault;
    struct fault copy_damage = {{0}};
    origin_out->copy[0] = 0;
    TRY(journal_find_first(NULL, options->journal_directory, &origin_out->first_seq, fault));
    if (origin_out->first_seq == 1) {
        return status_ok();
    }
    uint64_t seq = state_copy_find(options->state_directory, origin_out->copy);
    bool reaches = origin_out->first_seq > 0 && seq > 0 && seq + 1 >= origin_out->first_seq;
    if (reaches && status_is_ok(store_check(NULL, origin_out->copy, options->progress, &result,
                                            &copy_damage))) {
        return status_ok();
    }
    if (copy_damage.words[0] != 0) {
        log_write(options->logger, LOG_LEVEL_ERROR, "engine", "%s", copy_damage.words);
    }
    damage.words[FAULT_WORDS_BYTES_MAX / 2] = 0;
    return refuse(options, origin_out, damage.words, fault);
}

/* What stands in the state's place, if anything does, is kept. */
static struct status set_aside(const struct rebuild_options *options, char *path_out,
                               struct fault *fault) {
    int size = snprintf(path_out, PATH_BYTES_MAX, "%s.damaged-%llu", options->state_directory,
                        (unsigned long long)(clock_wall_ns() / NS_PER_MS));
    ASSERT(size > 0);
    bool is_done = size < PATH_BYTES_MAX &&
                   (rename(options->state_directory, path_out) == 0 || errno == ENOENT);
    return is_done ? status_ok()
                   : fault_set(fault, STATUS_IO, "cannot rename %s: %s", options->state_directory,
                               strerror(errno));
}

static struct status put_copy_in_place(const struct rebuild_options *options, const char *copy,
                                       struct fault *fault) {
    char parent[PATH_BYTES_MAX];
    if (copy[0] == 0) {
        return status_ok();
    }
    (void)snprintf(parent, sizeof(parent), "%s/..", options->state_directory);
    bool is_done =
        rename(copy, options->state_directory) == 0 && file_sync_directory(NULL, parent) == 0;
    return is_done ? status_ok()
                   : fault_set(fault, STATUS_IO, "cannot rename %s: %s", copy, strerror(errno));
}

static struct status make_anew(const struct rebuild_options *options, struct fault *fault) {
    char path[PATH_BYTES_MAX];
    struct origin origin;
    struct fault damage = *fault;
    TRY(find_origin(options, &origin, fault));
    TRY(set_aside(options, path, fault));
    log_write(options->logger, LOG_LEVEL_ERROR, "engine",
              "%s: it is kept as %s and made anew from the journal%s%s", damage.words, path,
              origin.copy[0] == 0 ? "" : " and ", origin.copy);
    return put_copy_in_place(options, origin.copy, fault);
}

/* No state, as at the first start; but with a copy it was there and is gone. */
static struct status meet_missing(const struct rebuild_options *options, struct fault *fault) {
    char path[PATH_BYTES_MAX];
    struct origin origin;
    fault->words[0] = 0;
    struct status status = find_origin(options, &origin, fault);
    if (!status_is_ok(status) || origin.copy[0] == 0) {
        return status_ok(); /* it goes on with what the journal holds */
    }
    TRY(set_aside(options, path, fault));
    log_write(options->logger, LOG_LEVEL_ERROR, "engine",
              "%s is missing: it is made anew from the journal and %s", options->state_directory,
              origin.copy);
    return put_copy_in_place(options, origin.copy, fault);
}

struct status rebuild_open_store(const struct rebuild_options *options, struct store **store_out,
                                 struct fault *fault) {
    struct store_check_result result;
    struct status status =
        store_check(NULL, options->state_directory, options->progress, &result, fault);
    if (status.code == STATUS_CORRUPT) {
        status = make_anew(options, fault);
    } else if (status.code == STATUS_MISSING) {
        status = meet_missing(options, fault);
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
