/* X-macro TENANT_COUNTER(NAME, "json_name", "help"): counters of GET /api/v1/stats; engine state,
 * so they survive a restart. The order is on disk: append only. */
TENANT_COUNTER(EVENTS_RECEIVED, "events_received", "Events received, taken or refused")
TENANT_COUNTER(EVENTS_ACCEPTED, "events_accepted", "Events taken, repeats of an event id included")
TENANT_COUNTER(EVENTS_REJECTED, "events_rejected", "Events refused, which the quarantine holds")
TENANT_COUNTER(EVENTS_DUPLICATE, "events_duplicate",
               "Events taken whose id was known: not applied again")
TENANT_COUNTER(SIGNALS_TOTAL, "signals_total", "Signals: bad news, repeats included")
TENANT_COUNTER(SIGNALS_SUPPRESSED, "signals_suppressed",
               "Signals that repeated what was known and only counted")
TENANT_COUNTER(INCIDENTS_OPENED, "incidents_opened", "Incidents opened")
TENANT_COUNTER(DELIVERIES_OK, "deliveries_ok", "Messages that a sink took")
TENANT_COUNTER(DELIVERIES_FAILED, "deliveries_failed", "Attempts to deliver a message that failed")
TENANT_COUNTER(DELIVERIES_DEAD, "deliveries_dead", "Messages that became dead letters")
TENANT_COUNTER(QUARANTINE_DROPPED, "quarantine_dropped",
               "Quarantined records dropped: too old, or no room")
TENANT_COUNTER(DEAD_LETTERS_DROPPED, "dead_letters_dropped",
               "Dead letters dropped: too old, or no room")
TENANT_COUNTER(INCIDENTS_DROPPED, "incidents_dropped",
               "Resolved incidents dropped: too old, or no room")
