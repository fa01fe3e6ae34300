/*
 * limits.h - every bound in one place: unit in the name, reason above it.
 *
 * At a limit the answer is backpressure or STATUS_FULL, never a silent drop and never growth.
 */
#pragma once

#include <assert.h>
#include <stdint.h>

#define KIB (UINT64_C(1) << 10)
#define MIB (UINT64_C(1) << 20)
#define GIB (UINT64_C(1) << 30)
#define NS_PER_US UINT64_C(1000)
#define NS_PER_MS UINT64_C(1000000)
#define NS_PER_S UINT64_C(1000000000)
#define NS_PER_MINUTE (60 * NS_PER_S)
#define NS_PER_HOUR (60 * NS_PER_MINUTE)
#define NS_PER_DAY (24 * NS_PER_HOUR)
/* Of a configured span, a hundred years: an instant and it stay below 2^64. */
#define DURATION_NS_MAX (36500 * NS_PER_DAY)

/* --- Names and texts: what a person can still read, and what keeps rows small. --- */
#define TENANT_BYTES_MAX 64u       /* also a file name: tenants/<id>.toml */
#define ENTITY_BYTES_MAX 256u      /* "kind:name"; OTel service names stay far below */
#define EVENT_ID_BYTES_MAX 256u    /* longer ids are refused, never cut: cutting could merge two */
#define RUN_ID_BYTES_MAX 256u      /* cut */
#define ERROR_CLASS_BYTES_MAX 160u /* cut; the fingerprint is over the cut text */
#define MESSAGE_BYTES_MAX (16 * KIB) /* cut with a flag; a stack trace fits */
#define MESSAGE_KEPT_BYTES_MAX 320u  /* what an incident keeps to show */
#define LABEL_BYTES_MAX 128u
#define ATTRIBUTES_PER_EVENT_MAX 128u /* the OTel SDK default limit */
#define ATTRIBUTE_BYTES_MAX (16 * KIB)
#define EXEMPLARS_KEPT_MAX 8u /* of a data point */
#define DEPENDS_ON_PER_EVENT_MAX 256u
#define DEDUP_BY_KEYS_MAX 15u /* with the tenant they are hashed for every event */
#define DEDUP_BY_BYTES_MAX 1023u
#define REASON_BYTES_MAX 256u

/* --- Envelope, batch, block: each holds the one before. --- */
#define ENVELOPE_BYTES_MAX (1 * MIB)
#define RAW_KEPT_BYTES_MAX (512 * KIB) /* of a refused record; the rest is cut with a flag */
#define BATCH_BYTES_MAX (4 * MIB)
#define BATCH_EVENTS_MAX 65536u
#define BLOCK_BYTES_MAX (8 * MIB) /* one group commit; 0.6 ms of fdatasync a MiB was measured */
#define JOURNAL_SEGMENT_BYTES (64 * MIB) /* default; retention works by whole segments */
#define STORE_RESERVE_BYTES (64 * MIB)   /* free room of the state: a block and its index pages */
#define BLOCK_ALIGN_BYTES 4096u          /* O_DIRECT on every common device */
static_assert(RAW_KEPT_BYTES_MAX < ENVELOPE_BYTES_MAX, "a refused envelope holds its raw bytes");
static_assert(ENVELOPE_BYTES_MAX < BATCH_BYTES_MAX, "a batch holds any envelope");
static_assert(BATCH_BYTES_MAX < BLOCK_BYTES_MAX, "a block holds any batch");
static_assert(2 * BLOCK_BYTES_MAX <= JOURNAL_SEGMENT_BYTES, "a segment holds any block");

/* --- Requests --- */
#define REQUEST_BYTES_DEFAULT (64 * MIB) /* OTLP's recommended default, also after inflating */
#define HTTP_LINE_BYTES_MAX (8 * KIB)
#define HTTP_HEADER_BYTES_MAX (32 * KIB) /* all header fields together */
#define HTTP_HEADERS_MAX 64u
/* What a request that was begun has from the stop on: the rest of a send on its way comes in less,
 * and who was cut off in the middle shall not hold up a restart for its body_timeout. */
#define HTTP_DRAIN_GRACE_NS (3 * NS_PER_S)
#define HTTP2_CONNECTIONS_MAX 4096u /* beyond: closed; each has an nghttp2 session, ~12 KiB */
#define HTTP2_STREAMS_MAX 16384u    /* of all connections together; beyond: REFUSED_STREAM */
#define HTTP2_STREAMS_PER_CONNECTION 128u
#define HEALTH_WATCHERS_MAX 256u     /* of an ingest thread; clients and balancers have one each */
#define HTTP2_WINDOW_BYTES (1 * MIB) /* of a stream: how much may be on its way to us */
#define HTTP2_CONNECTION_WINDOW_BYTES (8 * MIB)
#define HTTP2_FLOOD_CREDIT 1000u /* frames that are no request, at once; see http2.c */
#define HTTP2_FLOOD_CREDIT_PER_S 100u
#define TLS_PEER_NAMES_MAX 16u /* of a client's certificate; the first ones count */
#define JSON_DEPTH_MAX 160u    /* deeper input is refused; an AnyValue of OTLP takes four a level */
#define OTLP_ANY_DEPTH_MAX 32u /* lists and maps in one another, as protobuf's own parsers */
#define CONNECTIONS_DEFAULT 10000u
#define WAITING_REQUESTS_MAX 256u /* decoded and on their way to the disk, of one ingest thread */
#define LAG_EVENTS_DEFAULT (1u << 18) /* some tenths of a second of applying */
#define PING_BODY_BYTES_MAX 10000u    /* kept of what a cron line says; told in Ping-Body-Limit */

/* --- Kafka --- */
#define STREAM_CLUSTER_BYTES_MAX 64u /* Kafka's are 22 */
#define STREAM_GROUP_BYTES_MAX 128u  /* with the others it fits into a key of LMDB */
#define STREAM_TOPIC_BYTES_MAX 249u  /* Kafka's own limit */
#define STREAMS_MAX 65536u           /* partitions that a shard remembers the place of */
#define KAFKA_SOURCES_MAX 16u        /* [[kafka]] */
#define KAFKA_THREADS_MAX 64u        /* of all of them together */
#define KAFKA_TOPICS_MAX 256u        /* names or patterns in one [[kafka]] */
#define KAFKA_PARTITIONS_MAX 8192u   /* of one [[kafka]], all its topics together */
#define KAFKA_PROPERTIES_MAX 128u

/* --- Learning who calls whom --- */
#define SPAN_EDGES_MAX 8u            /* that one span can teach: its parent's and its children's */
#define LEARNED_EDGES_DEFAULT 65536u /* in the graph at once; beyond, no new ones are learned */
#define EDGE_REFRESH_NS_MAX (10 * NS_PER_MINUTE) /* how often an edge is told again */

/* --- Rings between threads --- */
#define RING_BATCHES_MAX 1024u
#define RING_OUTBOX_MAX 4096u

/* --- State of one shard (defaults; memory is touched only as it is used) --- */
#define TENANTS_MAX 16384u
#define GRAPH_NODES_DEFAULT (1u << 20)
#define GRAPH_EDGES_DEFAULT (1u << 22)
#define GRAPH_HOPS_MAX 32u
#define GRAPH_VISITS_MAX 100000u              /* nodes one query may look at: some ms */
#define DEDUP_KEYS_DEFAULT (1u << 20)         /* 60 bytes each */
#define DEDUP_WINDOW_NS_MAX (49 * NS_PER_DAY) /* 2^32 ms are enough */
#define EVENT_IDS_DEFAULT (1u << 22)          /* live ids for idempotency; 32 bytes each */
#define INCIDENTS_DEFAULT (1u << 16)          /* open or reopenable at once */
#define MEMBERS_DEFAULT (1u << 19)            /* entities in those incidents */
#define INCIDENT_TRACE_IDS_MAX 8u
#define INCIDENT_ALTERNATIVES_MAX 4u
#define INCIDENT_EVIDENCE_MAX 7u        /* all that are ever said at once */
#define INCIDENT_AFFECTED_TOLD_MAX 200u /* in one message; the API gives all */
#define INCIDENT_JSON_BYTES_MAX (256 * KIB)
#define SINKS_PER_TENANT_MAX 32u
#define ROUTES_PER_TENANT_MAX 128u
#define SILENCES_PER_TENANT_MAX 64u
#define SILENCES_MAX 1024u /* made by operators, of all tenants */
#define SILENCES_MADE_PER_TENANT_MAX 128u
#define SILENCE_BYTES_MAX 4096u      /* one of them, encoded */
#define AUDIT_ROWS_MAX 16384u        /* kept of changes, and as many of refusals */
#define AUDIT_DETAIL_BYTES_MAX 2048u /* cut */
/* Of the quarantine, as of dead letters, as of resolved incidents: all tenants'. */
#define KEPT_BYTES_MAX (8 * GIB)
#define POLICY_BYTES_MAX (3 * MIB) /* one config record, all tenants; fits in a batch */
static_assert(POLICY_BYTES_MAX < BATCH_BYTES_MAX, "a configuration version fits in a batch");
