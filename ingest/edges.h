/*
 * edges.h - edge lists, POST /v1/edges: who depends on whom, from a spreadsheet, a catalogue, or
 * `quell graph --json` of another quell.
 */
#pragma once

#include "ingest/decode.h"

/*
 * CSV: "from,to[,tenant]" a line, "from" depends on "to"; a first line that says just that is
 * passed over, so are empty lines and those that begin with '#'; a value may stand in quotes. Lines
 * may end with CR LF.
 * JSON, when the body begins with '[' or '{': an array, or an object whose "edges" is one, or one
 * object a line, of {"from","to","tenant_id"}. A byte order mark before either is passed over.
 *
 * Each edge counts as told by an event. INVALID with decode->fault: the JSON cannot be read.
 */
MUST_CHECK struct status edges_decode(struct decode *decode, struct slice body);
