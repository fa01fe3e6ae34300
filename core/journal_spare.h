/*
 * journal_spare.h - the next segment, made ahead by a thread of its own, so that nobody waits for
 * a file to be allocated and its name to be durable.
 *
 * States: none -> making (prepare) -> ready -> publishing (take) -> none. A file being made or
 * ready is "<directory>/spare.new", no segment yet; publishing gives it its header, then its name,
 * each made durable. What is written into it counts only when it is published.
 *
 * Thread: the journal's, but on_done, which comes in the spare's own after each step.
 */
#pragma once

#include "core/journal_segment.h"

struct journal_spare;

/* FULL: no thread, no memory or no descriptor. */
MUST_CHECK struct status journal_spare_open(const char *directory, uint64_t size_bytes,
                                            void (*on_done)(void *context), void *context,
                                            struct journal_spare **spare_out);
/* Ends what it does; a spare that nobody took is removed. NULL is allowed. */
void journal_spare_close(struct journal_spare *spare);
/* Begins to make one, unless there is one. When there is no room, there will be none. */
void journal_spare_prepare(struct journal_spare *spare);
/* false: none is ready. Else the spare is the segment of first_seq, to be written to at once, and
 * is being published. */
bool journal_spare_take(struct journal_spare *spare, uint64_t first_seq, uint64_t salt,
                        struct journal_segment *segment_out);
bool journal_spare_is_publishing(struct journal_spare *spare);
/* How it went, when it is not publishing any more. IO, FULL: what was written does not count. */
MUST_CHECK struct status journal_spare_published(struct journal_spare *spare);
