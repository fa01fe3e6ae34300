/*
 * X-macro STAT(NAME, "prometheus_name", TYPE, "help"): process-wide counters and gauges on
 * /metrics. Per-tenant counters are engine state (schemas/tenant_counter_list.h).
 */
STAT(HTTP_REQUESTS, "quell_http_requests_total", COUNTER, "HTTP requests read on the ingest port")
STAT(HTTP_ERRORS, "quell_http_errors_total", COUNTER, "Ingest requests answered with 4xx or 5xx")
STAT(HTTP_THROTTLED, "quell_http_throttled_total", COUNTER, "Ingest requests answered 429 or 503")
STAT(CONNECTIONS, "quell_connections", GAUGE, "Open connections on the ingest port")
STAT(CONNECTIONS_REFUSED, "quell_connections_refused_total", COUNTER, "Connections over the limit")
STAT(BYTES_RECEIVED, "quell_received_bytes_total", COUNTER, "Bytes read on the ingest port")
STAT(METRIC_POINTS, "quell_metric_points_total", COUNTER, "OTLP metric data points taken")
STAT(JOURNAL_BYTES, "quell_journal_bytes", GAUGE, "Bytes of journal segments on disk")
STAT(JOURNAL_APPENDED_BYTES, "quell_journal_appended_bytes_total", COUNTER, "Bytes appended")
STAT(JOURNAL_SYNCS, "quell_journal_syncs_total", COUNTER, "Group commits made durable")
STAT(JOURNAL_SYNC_NS, "quell_journal_sync_nanoseconds_total", COUNTER, "Time spent in them")
STAT(JOURNAL_LAG_EVENTS, "quell_journal_lag_events", GAUGE, "Events journaled, not yet applied")
STAT(JOURNAL_FAILED, "quell_journal_failed", GAUGE, "1 after a failed write: nothing is taken")
STAT(STORE_COMMITS, "quell_store_commits_total", COUNTER, "LMDB transactions committed")
STAT(DEDUP_KEYS, "quell_dedup_keys", GAUGE, "Live fingerprints")
STAT(EVENT_IDS, "quell_event_ids", GAUGE, "Live event ids for idempotency")
STAT(EVENT_IDS_EVICTED, "quell_event_ids_evicted_early_total", COUNTER, "Ids forgotten early: full")
STAT(GRAPH_NODES, "quell_graph_nodes", GAUGE, "Nodes in the dependency graph")
STAT(GRAPH_EDGES, "quell_graph_edges", GAUGE, "Edges in the dependency graph")
STAT(INCIDENTS_OPEN, "quell_incidents_open", GAUGE, "Incidents open or acknowledged")
STAT(OUTBOX_PENDING, "quell_outbox_pending", GAUGE, "Messages not yet delivered or dead")
STAT(CONFIG_RELOAD_OK, "quell_config_last_reload_successful", GAUGE,
     "1 when the last reload worked")
STAT(CONFIG_RELOAD_NS, "quell_config_last_reload_success_timestamp_ns", GAUGE, "When it last did")
STAT(IO_URING, "quell_io_uring", GAUGE, "1 when the loops run on io_uring, 0 on epoll")
