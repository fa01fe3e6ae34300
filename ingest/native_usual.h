/*
 * native_usual.h - native events in their usual spelling, taken in one pass without a token index.
 *
 * An event is small and flat: what takes the time is not finding its tokens. The usual spelling is
 * an object of strings without escapes, numbers, true, false and null; of depends_on as an array
 * of those words, of details as such an object again; blanks anywhere.
 *
 * 1. What is taken here is an object by RFC 8259, and gives what the walk gives, field for field (a
 *    test and a fuzz target compare). Whatever else it is, wrong or only unusual, is the walk's.
 * 2. A field that cannot be meant refuses the event, by the same words as the walk's.
 */
#pragma once

#include "ingest/json_events.h"
#include "ingest/native.h"

/* What a member of an event's object is; the texts, which are kept as they are, come first. */
enum native_field {
    NATIVE_TENANT_ID,
    NATIVE_JOB_ID,
    NATIVE_ENTITY,
    NATIVE_EVENT_ID,
    NATIVE_RUN_ID,
    NATIVE_MESSAGE,
    NATIVE_ERROR_TYPE,
    NATIVE_TEXTS_COUNT,
    NATIVE_STATUS = NATIVE_TEXTS_COUNT,
    NATIVE_SEVERITY,
    NATIVE_TIME,
    NATIVE_DEPENDS_ON,
    NATIVE_DETAILS,
    NATIVE_TRACE_ID,
    NATIVE_SPAN_ID,
    NATIVE_PARENT_SPAN_ID,
    NATIVE_OTHER, /* an attribute */
    NATIVE_FIELDS_COUNT,
};

/* --- native.c --- */
enum native_field native_field_of(struct slice key);
/* Where the text stands in the draft. */
struct slice *native_text_of(struct draft *draft, enum native_field field);
/* A field that is made of a word, from NATIVE_STATUS on; `key` is what it was called. */
void native_set_meaning(struct draft *draft, enum native_field field, struct slice key,
                        struct slice word);
/* A number as details.score. */
void native_set_details_score(struct draft *draft, struct slice number);

/* --- native_usual.c --- */
/* Takes the object that begins the text into a draft that was just made; its size, or 0 when it is
 * spelled otherwise, the draft then being half filled. */
size_t native_usual_take(struct slice text, struct draft *draft);
