/* otlp_shape_internal.h - what a node of otlp_shape says, for its two files. */
#pragma once

#include "ingest/otlp_shape.h"

enum shape_kind {
    SHAPE_END, /* no value: the record ends behind the literal */
    SHAPE_STRING,
    SHAPE_INTEGER,
    SHAPE_BOOL,
};

enum shape_field {
    SHAPE_IGNORED,
    SHAPE_TIME,
    SHAPE_OBSERVED,
    SHAPE_SEVERITY,
    SHAPE_BODY,
    SHAPE_TRACE,
    SHAPE_SPAN,
    SHAPE_EVENT_NAME,
    SHAPE_ATTRIBUTE,
};
