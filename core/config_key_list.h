/*
 * X-macro CONFIG_KEY(path, TYPE, struct config field): the scalar keys of quell.toml.
 * CONFIG_POLICY_KEY(path, TYPE, struct policy field): the rules of a tenant, in tenants/<id>.toml,
 * or in quell.toml at the top or under [defaults]. A field may be reached by more than one path.
 * TYPE: TEXT, SIZE, DURATION, COUNT, SWITCH, or a WORD_ list of config_rules.c.
 */
#ifdef CONFIG_KEY
CONFIG_KEY("data_dir", TEXT, data_dir)
CONFIG_KEY("tenants_dir", TEXT, tenants_dir)
CONFIG_KEY("listen.http", TEXT, listen_http)
CONFIG_KEY("listen.grpc", TEXT, listen_grpc)
CONFIG_KEY("listen.console", TEXT, listen_console)
CONFIG_KEY("server.io", WORD_IO, io)
CONFIG_KEY("server.ingest_threads", COUNT, ingest_threads)
CONFIG_KEY("server.shards", COUNT, shards)
CONFIG_KEY("server.max_request_bytes", SIZE, request_bytes_max)
CONFIG_KEY("max_request_bytes", SIZE, request_bytes_max)
CONFIG_KEY("server.max_connections", COUNT, connections_max)
CONFIG_KEY("server.header_timeout", DURATION, header_timeout_ns)
CONFIG_KEY("server.body_timeout", DURATION, body_timeout_ns)
CONFIG_KEY("server.idle_timeout", DURATION, idle_timeout_ns)
CONFIG_KEY("journal.sync", WORD_SYNC, journal_sync)
CONFIG_KEY("journal.retention_bytes", SIZE, journal_retention_bytes_max)
CONFIG_KEY("journal.retention", DURATION, journal_retention_ns_max)
CONFIG_KEY("auth.mode", WORD_AUTH, auth_mode)
CONFIG_KEY("auth.allow_insecure", SWITCH, auth_allow_insecure)
CONFIG_KEY("log.format", WORD_LOG_FORMAT, log_format)
CONFIG_KEY("log.level", WORD_LOG_LEVEL, log_level)
CONFIG_KEY("limits.entities", COUNT, entities_max)
CONFIG_KEY("limits.edges", COUNT, edges_max)
CONFIG_KEY("limits.dedup_keys", COUNT, dedup_keys_max)
CONFIG_KEY("limits.event_ids", COUNT, event_ids_max)
CONFIG_KEY("limits.incidents", COUNT, incidents_max)
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
CONFIG_POLICY_KEY("owner", TEXT, owner)
#endif
