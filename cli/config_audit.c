/* config_audit.c - see config_audit.h. */
#include "cli/config_audit.h"

#include <stdio.h>

#include "cli/config_change.h"
#include "cli/config_diff.h"
#include "core/operator.h"

/* More tenants that change at once are counted: the audit is to hold what came before, too. */
enum { LINES_MAX = 1000, LOG_BYTES = 8192 };

struct audit {
    struct batch *batch;
    const char *who;
    uint32_t lines;
    struct text log; /* "acme: rules, routes; globex: added" */
};

static void add_line(struct audit *audit, struct slice tenant, const char *what,
                     struct slice detail) {
    const struct operator_request line = {.action = OPERATOR_AUDIT,
                                          .tenant = tenant,
                                          .by = slice_of_text(audit->who),
                                          .note = slice_of_text(what),
                                          .detail = detail};
    struct writer writer = batch_entry_begin(audit->batch);
    operator_encode(&line, &writer);
    if (!writer.failed) {
        batch_entry_commit(audit->batch, writer.size);
    }
}

static void add_change(struct audit *audit, struct slice tenant, struct slice shown,
                       struct slice words) {
    text_add_text(&audit->log, audit->lines == 0 ? "" : "; ");
    text_add_printable(&audit->log, shown);
    text_add_text(&audit->log, ": ");
    text_add(&audit->log, words);
    if (audit->lines++ < LINES_MAX) {
        add_line(audit, tenant, "change configuration", words);
    }
}

static void on_tenant(void *context, struct slice tenant, struct slice words) {
    add_change(context, tenant, tenant.size == 0 ? SLICE("defaults") : tenant, words);
}

/* What the process itself goes by from now on. */
static void add_process(struct audit *audit, const struct config *old, const struct config *new) {
    char memory[2048];
    struct text words = text_over(memory, sizeof(memory));
    config_change_add_names(old, new, &words);
    if (words.size > 0) {
        add_change(audit, slice_of(NULL, 0), SLICE("quell.toml"), text_slice(&words));
    }
}

static void add_changes(struct audit *audit, const struct config *old, const struct config *new) {
    char memory[128];
    struct text words = text_over(memory, sizeof(memory));
    add_process(audit, old, new);
    config_diff_each(old, new, on_tenant, audit);
    if (audit->lines == 0) {
        text_add_text(&words, "nothing of a tenant");
    } else if (audit->lines > LINES_MAX) {
        text_add_format(&words, "and %u more tenants", audit->lines - LINES_MAX);
    }
    if (words.size > 0) {
        add_line(audit, slice_of(NULL, 0), "change configuration", text_slice(&words));
    }
}

void config_audit_fill(struct batch *batch, const struct config *old, const struct config *new,
                       const char *who, const struct logger *logger) {
    char memory[LOG_BYTES];
    struct audit audit = {.batch = batch, .who = who, .log = text_over(memory, sizeof(memory))};
    char start[128];
    batch_clear(batch, BATCH_OPERATOR);
    if (new == NULL) {
        add_line(&audit, slice_of(NULL, 0), "configuration refused", SLICE("the old one stays"));
    } else if (old == NULL) {
        (void)snprintf(start, sizeof(start), "quell %s, %u tenant%s, %u sink%s", QUELL_VERSION,
                       new->policies.tenants_count, new->policies.tenants_count == 1 ? "" : "s",
                       new->sinks_count, new->sinks_count == 1 ? "" : "s");
        add_line(&audit, slice_of(NULL, 0), "start", slice_of_text(start));
    } else {
        add_changes(&audit, old, new);
        log_write(logger, LOG_LEVEL_INFO, "audit", "configuration changed by %s: %s%s", who,
                  audit.lines > 0 ? memory : "nothing of a tenant",
                  audit.log.truncated ? "..." : "");
    }
    (void)batch_finish(batch);
}
