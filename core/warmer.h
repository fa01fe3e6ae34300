/*
 * warmer.h - a thread that has memory backed by pages before others need it: while a page is made
 * they would wait, and a large one takes milliseconds.
 *
 * Thread: one, the owner's.
 */
#pragma once

#include "core/base/status.h"

#include <stddef.h>

struct warmer;

/* FULL: no thread, no memory. */
MUST_CHECK struct status warmer_open(struct warmer **warmer_out);
/* Ends what it does within a step of it. NULL is allowed. */
void warmer_close(struct warmer *warmer);
bool warmer_is_busy(const struct warmer *warmer);
/* Begins to make the pages of the memory, which others may use meanwhile. It must not be busy. */
void warmer_submit(struct warmer *warmer, void *memory, size_t size);
