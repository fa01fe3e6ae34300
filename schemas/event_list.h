/*
 * X-macros of an event's closed vocabularies. The numbers are written to disk: append only.
 * EVENT_KIND(number, NAME, "word")
 * EVENT_STATUS(number, NAME, "word", signal) - signal: BAD is news of trouble, GOOD of recovery,
 * NEUTRAL leaves the entity's state alone.
 * EVENT_SEVERITY(number, NAME, "word")
 */
#ifdef EVENT_KIND
EVENT_KIND(1, LOG, "log")
EVENT_KIND(2, SPAN, "span")
EVENT_KIND(3, METRIC, "metric")
EVENT_KIND(4, JOB, "job")
EVENT_KIND(5, CHECK, "check")
EVENT_KIND(6, ALERT, "alert")
EVENT_KIND(7, LINEAGE, "lineage")
#endif
#ifdef EVENT_STATUS
EVENT_STATUS(0, NONE, "", NEUTRAL)
EVENT_STATUS(1, STARTED, "started", NEUTRAL)
EVENT_STATUS(2, RUNNING, "running", NEUTRAL)
EVENT_STATUS(3, SUCCEEDED, "succeeded", GOOD)
EVENT_STATUS(4, FAILED, "failed", BAD)
EVENT_STATUS(5, ABORTED, "aborted", BAD)
EVENT_STATUS(6, SKIPPED, "skipped", NEUTRAL)
EVENT_STATUS(7, LATE, "late", BAD)
EVENT_STATUS(8, MISSED, "missed", BAD)
EVENT_STATUS(9, OK, "ok", GOOD)
EVENT_STATUS(10, DEGRADED, "degraded", BAD)
EVENT_STATUS(11, DOWN, "down", BAD)
#endif
#ifdef EVENT_SEVERITY
EVENT_SEVERITY(0, NONE, "")
EVENT_SEVERITY(1, INFO, "info")
EVENT_SEVERITY(2, WARNING, "warning")
EVENT_SEVERITY(3, ERROR, "error")
EVENT_SEVERITY(4, CRITICAL, "critical")
#endif
