/*
 * X-macro CONFIG_KEY(path, TYPE, struct config field, WHEN): the scalar keys of quell.toml. WHEN a
 * new value counts: from a RELOAD on, or from the next START (cli/config_change.c tells of those).
 * CONFIG_POLICY_KEY(path, TYPE, struct policy field): the rules of a tenant, in tenants/<id>.toml,
 * or in quell.toml at the top or under [defaults]. A field may be reached by more than one path.
 * TYPE: TEXT (may hold ${env:} and ${file:}), NAME (is shown in incidents: may not), SIZE,
 * DURATION, COUNT, NUMBER (bounded in config_check.c), SWITCH, TOKENS_ (a list of digests, added to
 * the field), or a WORD_ list of config_rules.c.
 * CONFIG_LIST_KEYS(NAME, where, keys...): those of the tables that are no plain settings.
 */
#ifdef CONFIG_KEY
CONFIG_KEY("data_dir", TEXT, data_dir, START)
CONFIG_KEY("tenants_dir", TEXT, tenants_dir, RELOAD)
CONFIG_KEY("listen.http", TEXT, listen_http, START)
CONFIG_KEY("listen.grpc", TEXT, listen_grpc, START)
CONFIG_KEY("listen.console", TEXT, listen_console, START)
CONFIG_KEY("server.io", WORD_IO, io, START)
CONFIG_KEY("server.ingest_threads", COUNT, ingest_threads, START)
CONFIG_KEY("server.shards", NUMBER, shards, START)
CONFIG_KEY("server.max_request_bytes", SIZE, request_bytes_max, START)
CONFIG_KEY("max_request_bytes", SIZE, request_bytes_max, START)
CONFIG_KEY("server.max_connections", COUNT, connections_max, START)
CONFIG_KEY("server.max_waiting_requests", COUNT, waiting_requests_max, RELOAD)
CONFIG_KEY("server.tenant_share", COUNT, tenant_share_percent, RELOAD)
CONFIG_KEY("server.max_buffered_bytes", SIZE, buffered_bytes_max, START)
CONFIG_KEY("server.header_timeout", DURATION, header_timeout_ns, START)
CONFIG_KEY("server.body_timeout", DURATION, body_timeout_ns, START)
CONFIG_KEY("server.idle_timeout", DURATION, idle_timeout_ns, START)
CONFIG_KEY("server.send_timeout", DURATION, send_timeout_ns, START)
CONFIG_KEY("journal.max_lag_events", COUNT, lag_events_max, START)
CONFIG_KEY("journal.sync", WORD_SYNC, journal_sync, START)
CONFIG_KEY("journal.retention_bytes", SIZE, journal_retention_bytes_max, START)
CONFIG_KEY("journal.retention", DURATION, journal_retention_ns_max, START)
CONFIG_KEY("journal.segment_bytes", SIZE, journal_segment_bytes, START)
CONFIG_KEY("journal.state_reserve_bytes", SIZE, store_reserve_bytes, START)
CONFIG_KEY("auth.mode", WORD_AUTH, auth_mode, RELOAD)
CONFIG_KEY("auth.allow_insecure", SWITCH, auth_allow_insecure, RELOAD)
CONFIG_KEY("auth.operator_tokens_sha256", TOKENS_OPERATOR, tokens, RELOAD)
CONFIG_KEY("auth.metrics_tokens_sha256", TOKENS_METRICS, tokens, RELOAD)
CONFIG_KEY("sinks.addresses", WORD_ADDRESSES, sink_addresses, RELOAD)
CONFIG_KEY("tls.cert_file", TEXT, tls.cert_file, RELOAD)
CONFIG_KEY("tls.key_file", TEXT, tls.key_file, RELOAD)
CONFIG_KEY("tls.client_ca_file", TEXT, tls.client_ca_file, RELOAD)
CONFIG_KEY("tls.client_auth", WORD_CLIENT_AUTH, tls.options.client_auth, RELOAD)
CONFIG_KEY("tls.http", SWITCH, tls.http, START)
CONFIG_KEY("tls.grpc", SWITCH, tls.grpc, START)
CONFIG_KEY("tls.console", SWITCH, tls.console, START)
CONFIG_KEY("log.format", WORD_LOG_FORMAT, log_format, START)
CONFIG_KEY("log.level", WORD_LOG_LEVEL, log_level, START)
CONFIG_KEY("limits.entities", COUNT, entities_max, START)
CONFIG_KEY("limits.edges", COUNT, edges_max, START)
CONFIG_KEY("limits.learned_edges", COUNT, learned_edges_max, START)
CONFIG_KEY("limits.dedup_keys", COUNT, dedup_keys_max, START)
CONFIG_KEY("limits.event_ids", COUNT, event_ids_max, START)
CONFIG_KEY("limits.incidents", COUNT, incidents_max, START)
#endif
#ifdef CONFIG_POLICY_KEY
CONFIG_POLICY_KEY("idempotency.horizon", DURATION, idempotency_horizon_ns)
CONFIG_POLICY_KEY("dedup.window", DURATION, dedup_window_ns)
CONFIG_POLICY_KEY("dedup.max_window", DURATION, dedup_max_window_ns)
CONFIG_POLICY_KEY("correlate.window", DURATION, correlate_window_ns)
CONFIG_POLICY_KEY("correlate.max_hops", COUNT, correlate_hops_max)
CONFIG_POLICY_KEY("correlate.suspect_min", COUNT, correlate_suspect_min)
CONFIG_POLICY_KEY("correlate.resolve_after", DURATION, resolve_after_ns)
CONFIG_POLICY_KEY("correlate.reopen_window", DURATION, reopen_window_ns)
CONFIG_POLICY_KEY("incident.resolve_after", DURATION, resolve_after_ns)
CONFIG_POLICY_KEY("incident.reopen_window", DURATION, reopen_window_ns)
CONFIG_POLICY_KEY("notify.resolve_after", DURATION, resolve_after_ns)
CONFIG_POLICY_KEY("notify.reopen_window", DURATION, reopen_window_ns)
CONFIG_POLICY_KEY("resolve_after", DURATION, resolve_after_ns)
CONFIG_POLICY_KEY("reopen_window", DURATION, reopen_window_ns)
CONFIG_POLICY_KEY("notify.group_wait", DURATION, group_wait_ns)
CONFIG_POLICY_KEY("notify.group_interval", DURATION, group_interval_ns)
CONFIG_POLICY_KEY("notify.repeat_interval", DURATION, repeat_interval_ns)
CONFIG_POLICY_KEY("graph.learned_ttl", DURATION, learned_ttl_ns)
CONFIG_POLICY_KEY("limits.events_per_second", COUNT, limit_events_per_s)
CONFIG_POLICY_KEY("limits.entities", COUNT, limit_entities)
CONFIG_POLICY_KEY("limits.incidents_per_hour", COUNT, limit_incidents_per_h)
CONFIG_POLICY_KEY("limits.dedup_keys", COUNT, limit_dedup_keys)
CONFIG_POLICY_KEY("quarantine.retention", DURATION, quarantine_age_ns_max)
CONFIG_POLICY_KEY("quarantine.retention_bytes", SIZE, quarantine_bytes_max)
CONFIG_POLICY_KEY("dead_letters.retention", DURATION, dead_age_ns_max)
CONFIG_POLICY_KEY("dead_letters.retention_bytes", SIZE, dead_bytes_max)
CONFIG_POLICY_KEY("incidents.retention", DURATION, incidents_age_ns_max)
CONFIG_POLICY_KEY("incidents.retention_bytes", SIZE, incidents_bytes_max)
CONFIG_POLICY_KEY("owner", NAME, owner)
#endif
#ifdef CONFIG_LIST_KEYS
CONFIG_LIST_KEYS(TENANT, "[tenant]", "id", "tokens_sha256", "client_certs_sha256", "client_names",
                 "owner")
CONFIG_LIST_KEYS(JOB, "[[job]]", "id", "depends_on", "schedule", "timezone", "grace", "max_runtime",
                 "tier", "owner", "labels")
CONFIG_LIST_KEYS(ROUTE, "[[route]]", "match", "sinks", "continue")
CONFIG_LIST_KEYS(MATCH, "match = { ... }", "severity", "entity", "owner", "labels", "days", "hours",
                 "timezone")
CONFIG_LIST_KEYS(SILENCE, "[[silence]]", "match", "start", "end", "reason", "who")
CONFIG_LIST_KEYS(KAFKA, "[[kafka]]", "name", "brokers", "topics", "group", "format", "tenant",
                 "start", "properties", "dead_letter_topic", "threads", "headers")
#endif
