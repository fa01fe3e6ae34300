/*
 * config_send.h - the way of a configuration through the journal: it is in force when its record
 * is.
 *
 * Thread: main.
 */
#pragma once

#include "core/gate.h"
#include "core/log.h"

/* Hands the batch to the shard and waits until it was answered; its outcome. */
MUST_CHECK struct status config_send(struct gate *gate, struct batch *batch);
/* The same at a start: while the disk has no room for it, it is sent again and again, which the log
 * says once. FULL only when somebody asks for the end meanwhile (TERM or INT, which are blocked).
 */
MUST_CHECK struct status config_send_first(struct gate *gate, struct batch *batch,
                                           const struct logger *logger);
