/*
 * redact.h - error words without secrets: a name server's answer, a server's words or an echo of
 * our own request may hold parts of what ${env:...} and ${file:...} gave us. Pure.
 */
#pragma once

#include "core/config.h"

/* Appends what was said, fit to be shown and in one line (white space is a blank), with every run
 * that also stands in a secret setting of the sink replaced by "***". Runs shorter than
 * REDACT_RUN_BYTES_MIN are too common to tell. */
enum { REDACT_RUN_BYTES_MIN = 8 };
void redact_add(struct text *words, struct slice said, const struct config_sink *config);
