/* X-macro TENANT_COUNTER(NAME, "json_name"): counters of GET /api/v1/stats; engine state, so they
 * survive a restart. The order is on disk: append only. */
TENANT_COUNTER(EVENTS_RECEIVED, "events_received")
TENANT_COUNTER(EVENTS_ACCEPTED, "events_accepted")
TENANT_COUNTER(EVENTS_REJECTED, "events_rejected")
TENANT_COUNTER(EVENTS_DUPLICATE, "events_duplicate")
TENANT_COUNTER(SIGNALS_TOTAL, "signals_total")
TENANT_COUNTER(SIGNALS_SUPPRESSED, "signals_suppressed")
TENANT_COUNTER(INCIDENTS_OPENED, "incidents_opened")
TENANT_COUNTER(DELIVERIES_OK, "deliveries_ok")
TENANT_COUNTER(DELIVERIES_FAILED, "deliveries_failed")
TENANT_COUNTER(DELIVERIES_DEAD, "deliveries_dead")
TENANT_COUNTER(QUARANTINE_DROPPED, "quarantine_dropped")
TENANT_COUNTER(DEAD_LETTERS_DROPPED, "dead_letters_dropped")
