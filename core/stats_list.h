/*
 * X-macro STAT(NAME, "prometheus_name", TYPE, "help"): process-wide counters and gauges on
 * /metrics. One of nanoseconds (COUNTER_NS, GAUGE_NS) is shown in seconds. Per-tenant counters are
 * engine state (schemas/tenant_counter_list.h).
 */
STAT(HTTP_REQUESTS, "quell_http_requests_total", COUNTER, "HTTP requests read on the ingest port")
STAT(HTTP_ERRORS, "quell_http_errors_total", COUNTER, "Ingest requests answered with 4xx or 5xx")
STAT(HTTP_THROTTLED, "quell_http_throttled_total", COUNTER, "Ingest requests answered 429 or 503")
STAT(RATE_LIMITED, "quell_rate_limited_total", COUNTER, "Requests over their tenant's limit")
STAT(REQUESTS_WAITING, "quell_requests_waiting", GAUGE, "Requests that wait for the journal")
STAT(QUEUE_FULL, "quell_queue_full_total", COUNTER, "Requests refused: too many waited")
STAT(SHARE_LIMITED, "quell_share_limited_total", COUNTER,
     "Requests refused: their tenant had its share")
STAT(BUFFERED_BYTES, "quell_buffered_bytes", GAUGE, "Memory that holds requests being received")
STAT(BUFFERS_FULL, "quell_buffers_full_total", COUNTER, "Requests refused: no memory to receive")
STAT(CLIENTS_SLOW, "quell_clients_slow_total", COUNTER, "Clients cut off: too slow, or not reading")
STAT(CONNECTIONS, "quell_connections", GAUGE, "Open connections on the ingest port")
STAT(CONNECTIONS_REFUSED, "quell_connections_refused_total", COUNTER, "Connections over the limit")
STAT(TLS_HANDSHAKES, "quell_tls_handshakes_total", COUNTER, "TLS connections established")
STAT(TLS_FAILURES, "quell_tls_failures_total", COUNTER, "TLS connections refused or broken")
STAT(TLS_CERTIFICATE_ENDS_NS, "quell_tls_certificate_not_after_timestamp_seconds", GAUGE_NS,
     "When the first certificate of tls.cert_file ends; 0 without TLS")
STAT(BYTES_RECEIVED, "quell_received_bytes_total", COUNTER, "Bytes read on the ingest port")
STAT(KAFKA_MESSAGES, "quell_kafka_messages_total", COUNTER, "Kafka messages taken")
STAT(KAFKA_BYTES, "quell_kafka_bytes_total", COUNTER, "Bytes of Kafka messages' values")
STAT(KAFKA_TOMBSTONES, "quell_kafka_tombstones_total", COUNTER,
     "Kafka messages without a value, passed")
STAT(KAFKA_REPEATED, "quell_kafka_repeated_total", COUNTER,
     "Kafka messages delivered again, passed over")
STAT(KAFKA_LOST, "quell_kafka_lost_total", COUNTER, "Kafka messages gone before they could be read")
STAT(KAFKA_DEAD_LETTERS, "quell_kafka_dead_letters_total", COUNTER,
     "Kafka messages told to dead-letter topics")
STAT(KAFKA_DEAD_LETTERS_LOST, "quell_kafka_dead_letters_failed_total", COUNTER,
     "Kafka messages refused by dead-letter topics; they stand in the quarantine")
STAT(STREAM_ABSORBED, "quell_stream_absorbed_total", COUNTER,
     "Kafka events journaled again, not applied")
STAT(METRIC_POINTS, "quell_metric_points_total", COUNTER, "OTLP metric data points taken")
STAT(JOURNAL_BYTES, "quell_journal_bytes", GAUGE, "Bytes of journal segments on disk")
STAT(JOURNAL_APPENDED_BYTES, "quell_journal_appended_bytes_total", COUNTER,
     "Bytes appended to the journal")
STAT(JOURNAL_SYNCS, "quell_journal_syncs_total", COUNTER,
     "Syncs of the journal, each of a group of batches")
STAT(JOURNAL_SYNC_NS, "quell_journal_sync_seconds_total", COUNTER_NS,
     "Time spent in syncs of the journal")
STAT(JOURNAL_LAG_EVENTS, "quell_journal_lag_events", GAUGE, "Events journaled, not yet to be seen")
STAT(JOURNAL_LAG_FULL, "quell_journal_lag_full_total", COUNTER, "Batches refused: too far behind")
STAT(STORAGE_FULL, "quell_storage_full", GAUGE, "1 while the disk has no room for journal or state")
STAT(JOURNAL_FAILED, "quell_journal_failed", GAUGE, "1 after a failed write: nothing is taken")
STAT(STORE_COMMITS, "quell_store_commits_total", COUNTER, "LMDB transactions committed")
STAT(DEDUP_KEYS, "quell_dedup_keys", GAUGE, "Live fingerprints")
STAT(DEDUP_EVICTED, "quell_dedup_keys_evicted_early_total", COUNTER,
     "Fingerprints forgotten early: full")
STAT(DEDUP_UNREMEMBERED, "quell_dedup_unremembered_total", COUNTER,
     "Signals told as news because their tenant's limits.dedup_keys were in use")
STAT(EVENT_IDS, "quell_event_ids", GAUGE, "Live event ids for idempotency")
STAT(EVENT_IDS_EVICTED, "quell_event_ids_evicted_early_total", COUNTER,
     "Event ids forgotten early: full")
STAT(GRAPH_NODES, "quell_graph_nodes", GAUGE, "Nodes in the dependency graph")
STAT(GRAPH_NODES_MAX, "quell_graph_nodes_limit", GAUGE, "Most nodes: limits.entities")
STAT(GRAPH_EDGES, "quell_graph_edges", GAUGE, "Edges in the dependency graph")
STAT(GRAPH_EDGES_MAX, "quell_graph_edges_limit", GAUGE, "Most edges: limits.edges")
STAT(GRAPH_EDGES_LEARNED, "quell_graph_edges_learned", GAUGE, "Edges that were learned of spans")
STAT(EDGES_LEFT_OUT, "quell_edges_left_out_total", COUNTER,
     "Dependencies named by events for which limits.entities or limits.edges left no room")
STAT(EVENTS_SET_ASIDE, "quell_events_set_aside_total", COUNTER,
     "Events put into the quarantine: no room for a tenant, an entity or an incident")
STAT(QUARANTINE_BYTES, "quell_quarantine_bytes", GAUGE, "Bytes in the quarantine, all tenants'")
STAT(DEAD_LETTERS_BYTES, "quell_dead_letters_bytes", GAUGE, "Bytes of dead letters, all tenants'")
STAT(INCIDENTS_RESOLVED_BYTES, "quell_incidents_resolved_bytes", GAUGE,
     "Bytes of resolved incidents that nothing reopens any more, all tenants'")
STAT(KEPT_DROPPED_BEYOND, "quell_kept_dropped_beyond_total", COUNTER,
     "Records dropped from the quarantine of tenants too many, who have no counter of their own")
STAT(SIGNALS_STALE, "quell_signals_stale_total", COUNTER,
     "Failures told over a minute late, by their own time, after a later success: open nothing")
STAT(INCIDENTS_OPEN, "quell_incidents_open", GAUGE, "Incidents open or acknowledged")
STAT(INCIDENTS_HELD, "quell_incidents_held", GAUGE,
     "Incidents open, acknowledged, or resolved and not yet past reopening: limits.incidents "
     "bounds it")
STAT(INCIDENTS_HELD_MAX, "quell_incidents_held_limit", GAUGE,
     "Most incidents held: limits.incidents")
STAT(OUTBOX_PENDING, "quell_outbox_pending", GAUGE, "Messages not yet delivered or dead")
STAT(CONFIG_RELOAD_OK, "quell_config_last_reload_successful", GAUGE,
     "1 when the last reload of the configuration worked")
STAT(CONFIG_RELOAD_NS, "quell_config_last_reload_success_timestamp_seconds", GAUGE_NS,
     "When the configuration was last reloaded with success")
STAT(STOPPING, "quell_stopping", GAUGE, "1 while what was received is finished before the end")
STAT(THREADS_ENDED, "quell_threads_ended", GAUGE, "Threads that ended by themselves: restart")
STAT(IO_URING, "quell_io_uring", GAUGE, "1 when the loops run on io_uring, 0 on epoll")
