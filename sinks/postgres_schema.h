/* postgres_schema.h - the words that the postgres sink says to its server: schema, upsert. */
#pragma once

#include "core/base/text.h"

/* Session settings, then the schema as it should be: one script, one transaction. Safe to say again
 * and from several sinks at once. `schema` is empty or a checked name. */
void postgres_add_session_script(struct text *script, struct slice schema, uint64_t timeout_ns);

enum { POSTGRES_PARAMETERS = 6 };
/* One message: $1 tenant, $2 message id, $3 type, $4 version, $5 when it was told, $6 incident. */
extern const char *const postgres_write_statement;
