/*
 * formats.h - the formats of other systems that are taken as they come: OpenLineage run events,
 * Prometheus alerts as Alertmanager takes them, CloudEvents, healthchecks-style pings.
 *
 * Each function decodes one body. INVALID with decode->fault: the body cannot be read and nothing
 * of it counts. FULL: throttle. Thread: one at a time.
 */
#pragma once

#include "core/http.h"
#include "ingest/decode.h"

/* An OpenLineage event or an array of them (OpenLineage 2-0-2). The job's run state becomes its
 * status; edges: job -> its inputs, outputs -> the job, parent job -> the job. */
MUST_CHECK struct status lineage_decode(struct decode *decode, struct slice body);

/* The array of POST /api/v2/alerts. A firing alert is a failure of what its labels name. */
MUST_CHECK struct status alerts_decode(struct decode *decode, struct slice body);

/* CloudEvents 1.0 in structured mode: one event, or an array (batch mode). Its data holds native
 * fields; what they leave out comes from subject, type, time, and (source, id). */
MUST_CHECK struct status cloudevents_decode(struct decode *decode, struct slice body);
/* Binary mode: the attributes stand in ce-* headers, the body is the data; it is read when its
 * media type is JSON. */
MUST_CHECK struct status cloudevents_decode_binary(struct decode *decode,
                                                   const struct http_request *request,
                                                   struct slice body);

/* What a ping's path says. */
struct ping {
    struct slice key;    /* of the project: empty in /ping/<uuid> and /ping/<name> */
    struct slice name;   /* the uuid, the name or the slug */
    struct slice action; /* "", "start", "fail", "log" or an exit status */
    uint8_t exit_status;
};
/* Parses "/ping/<uuid or name>[/action]" or "/ping/<key>/<slug>[/action]"; INVALID for anything
 * else. */
MUST_CHECK struct status ping_parse(struct slice path, struct ping *ping_out);
/* Adds the event; run_id may be empty; the body's head becomes the message. */
MUST_CHECK struct status ping_decode(struct decode *decode, const struct ping *ping,
                                     struct slice run_id, struct slice body);
