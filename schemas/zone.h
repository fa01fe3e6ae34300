/*
 * zone.h - local time by a rule of POSIX TZ ("CET-1CEST,M3.5.0,M10.5.0/3"), which is how zone files
 * say what holds from now on (RFC 8536, section 3.3). A rule, not a name, stands in the journal: so
 * a replay needs no zone files, and judges as it was judged then.
 *
 * Pure. Any thread.
 */
#pragma once

#include "core/base/slice.h"
#include "core/base/status.h"

/* INVALID for what is no rule of the forms that zone files use: std offset [dst [offset] ,Mm.w.d
 * [/time] ,Mm.w.d [/time]], or the same with Jn and n. */
MUST_CHECK struct status zone_check(struct slice rule);
/* Seconds east of Greenwich at that time (seconds since 1970, UTC); 0 for an empty or bad rule. */
int64_t zone_offset_s(struct slice rule, int64_t utc_s);
