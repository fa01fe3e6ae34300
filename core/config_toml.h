/*
 * config_toml.h - TOML 1.0 as a plain tree, read by toml++ behind this one adapter
 * (config_toml.cc).
 *
 * Everything lives in the given arena. Each value knows its file, line and column (from 1), so that
 * an error can name the place. Thread: any.
 */
#pragma once

#include "core/base/arena.h"
#include "core/base/fault.h"

#ifdef __cplusplus
extern "C" {
#endif

enum toml_kind {
    TOML_STRING,
    TOML_INTEGER,
    TOML_FLOAT,
    TOML_BOOLEAN,
    TOML_DATE,
    TOML_TIME,
    TOML_DATE_TIME, /* local */
    TOML_DATE_TIME_OFFSET,
    TOML_ARRAY,
    TOML_TABLE,
};

struct toml_value {
    enum toml_kind kind;
    struct slice key;  /* of an entry of a table */
    struct slice text; /* strings as they are; numbers, dates and booleans as written back */
    int64_t integer;
    double number;
    bool boolean;
    struct toml_value *children; /* of arrays and tables, tables sorted by key */
    uint32_t children_count;
    struct slice file;
    uint32_t line; /* of the key for table entries, else of the value */
    uint32_t column;
};

struct toml_source {
    struct slice name; /* shown in errors */
    struct slice text;
};

/* Parses the first source and lays the others over it, table by table (arrays and values replace).
 * INVALID: fault says "file:line:column: words". FULL when the arena is. */
MUST_CHECK struct status toml_parse(const struct toml_source *sources, uint32_t sources_count,
                                    struct arena *arena, struct toml_value *root_out,
                                    struct fault *fault);

#ifdef __cplusplus
}
#endif
