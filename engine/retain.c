/* retain.c - see retain.h. */
#include "engine/retain.h"

#include "core/clock.h"

#define INTERVAL_NS (2 * NS_PER_S)

void retain_when_due(struct retain *retain, struct journal *journal, uint64_t committed_seq) {
    uint64_t now_ns = clock_monotonic_ns();
    journal_tick(journal);
    if (now_ns - retain->done_at_ns < INTERVAL_NS) {
        return;
    }
    retain->done_at_ns = now_ns;
    uint64_t wall_ns = clock_wall_ns();
    uint64_t expired_seq = journal_expired_seq(journal, committed_seq + 1, wall_ns);
    journal_retain(journal, state_copy_release(retain->copy, expired_seq), wall_ns);
}
