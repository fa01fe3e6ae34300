/* X-macro: STATUS_CODE(name, lower-case text). Included more than once on purpose. */
STATUS_CODE(OK, "ok")
STATUS_CODE(INVALID, "invalid")         /* input that can never succeed */
STATUS_CODE(FULL, "full")               /* a bound was reached; try later */
STATUS_CODE(MISSING, "missing")         /* no such thing */
STATUS_CODE(EXISTS, "exists")           /* it is there already */
STATUS_CODE(CORRUPT, "corrupt")         /* stored bytes fail their checksum or format */
STATUS_CODE(IO, "io")                   /* the operating system refused */
STATUS_CODE(DENIED, "denied")           /* not allowed to this caller */
STATUS_CODE(UNSUPPORTED, "unsupported") /* understood, not available here */
STATUS_CODE(CLOSED, "closed")           /* the other side or this part is gone */
STATUS_CODE(END, "end")                 /* nothing more to read */
