/*
 * ingest_internal.h - inside the room: the thread's state, and one request on its way through.
 */
#pragma once

#include "core/http.h"
#include "core/refusals.h"
#include "ingest/answer.h"
#include "ingest/decode.h"
#include "ingest/grpc.h"
#include "ingest/health.h"
#include "ingest/inflate.h"
#include "ingest/ingest.h"
#include "ingest/late.h"
#include "ingest/liveness.h"
#include "ingest/pressure.h"
#include "ingest/rates.h"
#include "ingest/shape.h"
#include "ingest/shares.h"
#include "ingest/turns.h"

enum {
    BATCHES_SMALL = WAITING_REQUESTS_MAX, /* for the usual request */
    BATCHES_LARGE = 24,                   /* BATCH_BYTES_MAX each, for what does not fit */
    BATCH_SMALL_BYTES = 256 * 1024,
    REQUESTS_MAX = PRESSURE_REQUESTS_MAX, /* decoded and waiting for the journal */
    ANSWER_BYTES_MAX = 256 * 1024,
};

struct ingest;

/* A request between its batches' sending and their return. */
struct pending {
    struct http_exchange exchange;
    uint32_t batches_out;
    enum status_code outcome; /* the worst */
    unsigned status;          /* the answer when all went well */
    enum answer_style style;
    uint32_t place; /* in `pressure` */
    char *body;     /* malloc'd answer; NULL: `inline_body` */
    size_t body_size;
    char inline_body[512];
    struct pending *next;
};

struct ingest {
    struct ingest_options options;
    struct config *config;
    struct config *_Atomic next_config;
    uint64_t started_ns; /* wall time */
    struct loop *loop;
    struct http_server *server;
    struct tls_server *tls; /* NULL: no TLS */
    struct loop_waker *waker;
    struct arena arena;          /* life of the thread: batches */
    struct arena decode_arena;   /* one request */
    struct shapes shapes;        /* how the log records of this thread's senders are spelled */
    struct shapes native_shapes; /* and their native events */
    struct inflate_buffer inflated;
    char too_large[HTTP_LIMIT_WORDS_BYTES_MAX]; /* of a request that is too large inflated */
    struct arena rates_arena;
    struct rates rates;
    struct refusals refusals;
    struct batch small[BATCHES_SMALL];
    struct batch large[BATCHES_LARGE];
    struct batch *free_small;
    struct batch *free_large;
    struct pending *pending_items;
    struct pending *free_pending;
    uint32_t pending_count;
    struct health health;
    struct pressure pressure;
    struct late late;
    struct turns turns;
    struct shares shares;
    struct hash128 asked; /* the tenant whose share was asked for last */
    struct payers payers; /* of the request that is worked for */
    atomic_bool is_stopping;
};

/* Why a tenant's request is put off, and for how long. */
struct put_off {
    uint32_t wait_s; /* 0: it is not */
    enum stat_number stat;
    const char *words;
};

/* What a request costs, while it is worked for. */
struct work {
    struct hash128 tenant;
    uint64_t began_ns;  /* monotonic */
    uint64_t thread_ns; /* of the processor; 0: not measured, as no other tenant is there */
};

/* A request being decoded: where its envelopes go and what it will be answered. */
struct intake {
    struct ingest *ingest;
    struct http_exchange exchange;
    enum answer_style style;
    const struct http_request *request; /* during the handler's call only */
    struct batch *batches;              /* filled so far, newest first */
    struct batch *open;                 /* the newest */
    bool wants_large;
    char error_memory[ANSWER_BYTES_MAX / 2];
    struct text errors; /* native: the entries of "errors" */
    uint32_t errors_count;
    uint64_t now_ns; /* of the request */
    struct rate_turn rate;
    struct put_off refusal; /* of the tenant asked for last */
};

/* --- routes.c --- */
/* Whether the tenant has time left in this turn. */
bool ingest_may_begin(void *context, struct hash128 tenant);
void ingest_on_request(void *context, struct http_exchange exchange,
                       const struct http_request *request);
void ingest_on_error(void *context, unsigned status, const char *words, struct text *body,
                     const char **content_type_out);

void ingest_on_refused(void *context, struct http_exchange exchange,
                       const struct http_request *request, unsigned status, const char *words);

/* --- respond.c --- */
/* Sends what was decoded and answers by the decoder's status. */
void respond_decoded(struct intake *intake, struct decode *decode, struct status status,
                     struct slice body, const char *rejected_key);

/* --- intake.c --- */
void intake_init(struct intake *intake, struct ingest *ingest, struct http_exchange exchange,
                 enum answer_style style);
struct batch *intake_batch_for(void *context, struct slice tenant, bool is_full);
struct slice intake_dedup_by_for(void *context, struct slice tenant);
void intake_on_refused(void *context, uint32_t index, const char *reason);
/* Whether a request of the tenant (empty: not known yet) may be taken now. */
struct put_off intake_ask(struct ingest *ingest, struct slice tenant, uint64_t now_ns);
void intake_refuse(struct ingest *ingest, struct http_exchange exchange, enum answer_style style,
                   const struct put_off *refusal);
/* Round what is done for a request: its tenant (empty: not known yet; then those of its records)
 * pays for the time while others are there. */
struct work intake_begin_work(struct ingest *ingest, struct slice tenant);
void intake_end_work(struct ingest *ingest, const struct work *work);
/* Whether this request alone has filled all that there is: waiting would not help it. */
bool intake_has_all_room(const struct intake *intake);
/* Gives the batches back unsent. */
void intake_abort(struct intake *intake);
/* Sends the batches; the answer goes out when all are durable. */
void intake_commit(struct intake *intake, unsigned status, struct slice body);
/* Sends the refusal (a late_answer). */
void ingest_answer_late(void *context);
/* A batch came back. */
void ingest_take_back(struct ingest *ingest);
/* Answers in the style of the request; `headers` as http_answer's. */
void ingest_answer(struct http_exchange exchange, enum answer_style style, unsigned status,
                   const char *headers, struct slice body);
/* Answers with an error; counts what is throttled. */
void ingest_refuse(struct ingest *ingest, struct http_exchange exchange, enum answer_style style,
                   unsigned status, const char *words);
/* The same; a throttled client is asked to wait so long. 429 goes out a moment later (late.h), so
 * `words` is a literal. */
void ingest_refuse_for(struct ingest *ingest, struct http_exchange exchange,
                       enum answer_style style, unsigned status, const char *words,
                       unsigned wait_s);
