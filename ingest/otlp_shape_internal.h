/* otlp_shape_internal.h - what a node of otlp_shape says, for its two files: its type is an enum
 * attribute_type, and of an attribute `known` is an enum otlp_known. */
#pragma once

#include "ingest/otlp_shape.h"

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
