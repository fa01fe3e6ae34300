/*
 * plugin.h - sinks in shared objects: type = "/usr/lib/quell/pager.so" names a file that exports
 * `const struct sink_type *quell_sink_type(void)` (sinks/sink.h).
 *
 * Such a file is code that runs as quell: only the operator's own files should be named, so the
 * path is absolute, and neither the file nor its folder may be writable by others. Once loaded, it
 * stays.
 */
#pragma once

#include "sinks/sink.h"

/* INVALID with words: no type and no file of that name, or not one for this ABI. */
MUST_CHECK struct status plugin_find_type(const struct config_sink *sink,
                                          const struct sink_type **type_out, struct fault *fault);
