/*
 * template.h - a body of the tenant's own making: {{path}} in it becomes the member of the incident
 * at that path ("root_cause.entity"); {{type}} is opened, updated or resolved. A string comes
 * without its quotes but stays escaped as JSON has it, so `"text":"{{title}}"` is always whole;
 * everything else comes as it stands in the incident. Pure.
 */
#pragma once

#include "core/base/fault.h"
#include "core/outbox.h"

/* INVALID with words for a path that is not closed, empty or too long, and for each that no
 * incident has. */
MUST_CHECK struct status template_check(struct slice words, struct fault *fault);
void template_add(struct text *body, struct slice words, const struct outbox_message *message);
/* How many bytes template_add adds. */
size_t template_bytes(struct slice words, const struct outbox_message *message);
