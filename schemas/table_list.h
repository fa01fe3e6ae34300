/*
 * X-macro STORE_TABLE(number, NAME, "lmdb name"): the LMDB tables of a shard. Every value ends with
 * a CRC-32C added and checked by core/store. Keys are bytewise ordered; integers in them are
 * big-endian. The row formats stand beside the room that emits them.
 */
STORE_TABLE(0, META, "meta")         /* text key -> value: cursor, format, config digest, seed */
STORE_TABLE(1, DEDUP, "dedup")       /* of before DEDUP_KEY: read once, then emptied */
STORE_TABLE(2, EVENT_ID, "event_id") /* journal seq (8) -> packed event keys of that batch */
STORE_TABLE(3, NODE, "node")         /* node number (4) -> graph/graph.h row: name, state */
STORE_TABLE(4, EDGE, "edge")         /* from node (4), to node (4) -> origin, last seen */
STORE_TABLE(5, INCIDENT, "incident") /* tenant, 0, incident id (16) -> incident row */
STORE_TABLE(6, MEMBER, "member")     /* incident id (16), node (4) -> member row */
STORE_TABLE(7, TIMELINE, "timeline") /* incident id (16), number (4) -> entry */
STORE_TABLE(8, ALIAS, "alias")       /* merged incident id (16) -> surviving id (16) */
STORE_TABLE(9, OUTBOX, "outbox")     /* outbox number (8) -> outbox row: sink, message, state */
STORE_TABLE(10, QUARANTINE, "quarantine") /* tenant, 0, seq (8), index (4) -> refused envelope */
STORE_TABLE(11, TENANT, "tenant")         /* tenant number (4) -> name, counters */
STORE_TABLE(12, DEAD, "dead")             /* outbox number (8) -> dead letter: row, last error */
STORE_TABLE(13, RECENT, "recent")         /* tenant, 0, ~opened_ns (8), incident id (16) -> empty:
                                             incidents newest first, for the API */
STORE_TABLE(14, STREAM, "stream")         /* core/stream.h: partition of a log -> place in it */
STORE_TABLE(15, MEMORY, "memory")         /* incident id (16), sink's name -> what it remembers;
                                             the same with a 0 before the name -> what it heard */
STORE_TABLE(16, SILENCE, "silence")       /* engine/silences.h: tenant, 0, id -> policy_silence */
STORE_TABLE(17, AUDIT, "audit")           /* core/audit.h: a ring of who did what when */
STORE_TABLE(18, DEDUP_KEY, "dedup_key")   /* entry's number (4) -> dedup/dedup.h row */
STORE_TABLE(19, KEPT, "kept")             /* engine/kept.h: what has an end, oldest first */
