/* console_internal.h - inside the room: the thread's state and what its files share. */
#pragma once

#include "console/console.h"
#include "core/http.h"
#include "core/operator.h"
#include "core/refusals.h"

enum {
    ACTIONS_MAX = 16,
    ACTION_BATCH_BYTES = 16384,
    ID_BYTES_MAX = 64,
    FIELD_BYTES_MAX = 512,
    PARAMETER_BYTES_MAX = 512,
    CONNECTIONS_MAX = 256,
};
#define DRAIN_NS_MAX (10 * NS_PER_S) /* for clients that do not take their answers */

/* An action on its way through the journal. */
struct action {
    struct batch batch;
    struct http_exchange exchange;
    enum operator_action what;
    char id[ID_BYTES_MAX]; /* as the answer says it */
    size_t id_size;
    bool is_quiet; /* the answer has no words */
    struct action *next;
};

struct console {
    struct console_options options;
    struct config *config;
    struct config *_Atomic next_config;
    struct view *_Atomic next_view;
    struct loop *loop;
    struct http_server *server;
    struct tls_server *tls; /* NULL: plain */
    struct loop_waker *waker;
    struct view_reader *reader; /* NULL: the state is not restored yet */
    struct arena arena;         /* life of the thread */
    struct arena text_arena;    /* one answer */
    struct action actions[ACTIONS_MAX];
    struct action *free_actions;
    uint32_t actions_out;
    struct refusals refusals;
    atomic_bool is_stopping;
};

/* --- paths.c --- */
void console_on_request(void *context, struct http_exchange exchange,
                        const struct http_request *request);
void console_on_error(void *context, unsigned status, const char *words, struct text *body,
                      const char **content_type_out);
void console_answer_error(struct http_exchange exchange, unsigned status, const char *code,
                          const char *words);
/* Whether the method fits; false, and answered, when not. */
bool console_allow_method(struct http_exchange exchange, const struct http_request *request,
                          bool is_post);
/* Room for one answer, emptied: as large as answers get. */
struct text console_text(struct console *console);
/* As console_answer, of one thing: what a 404 says when there is none. */
void console_answer_one(struct http_exchange exchange, struct status status,
                        const struct text *text, const char *missing);
/* Answers with the text as JSON, or with the error that the status means. */
void console_answer(struct http_exchange exchange, struct status status, const struct text *text);

/* --- api.c --- */
void api_incidents(struct console *console, struct http_exchange exchange,
                   const struct http_request *request);
void api_incident(struct console *console, struct http_exchange exchange, struct slice id,
                  const struct http_request *request);
void api_timeline(struct console *console, struct http_exchange exchange, struct slice id,
                  const struct http_request *request);
void api_explain(struct console *console, struct http_exchange exchange, struct slice id,
                 const struct http_request *request);
void api_graph(struct console *console, struct http_exchange exchange,
               const struct http_request *request);
void api_audit(struct console *console, struct http_exchange exchange,
               const struct http_request *request);
void api_stats(struct console *console, struct http_exchange exchange,
               const struct http_request *request);

/* --- parameters.c --- */
enum parameter {
    PARAMETER_TENANT,
    PARAMETER_STATUS,
    PARAMETER_SINCE,
    PARAMETER_LIMIT,
    PARAMETER_CURSOR,
    PARAMETER_ENTITY,
    PARAMETER_SINK,
    PARAMETER_DIRECTION,
    PARAMETER_HOPS,
    PARAMETER_FROM,
    PARAMETER_TO,
    PARAMETERS_COUNT,
};
/* The query's parameters, each decoded into its own memory; empty when not given. */
struct parameters {
    char memory[PARAMETERS_COUNT][PARAMETER_BYTES_MAX];
    struct slice values[PARAMETERS_COUNT];
};
/* All of them; the tenant is the one whose data may be shown (access_settle_tenant). False, and
 * answered, when one cannot be read or the tenant may not be. */
bool parameters_read(struct console *console, struct http_exchange exchange,
                     const struct http_request *request, struct parameters *parameters);
/* A number from 1 to max, left alone when not given; false, and answered, when it is none. A limit
 * beyond max is max. */
bool parameters_take_number(struct http_exchange exchange, const struct parameters *parameters,
                            enum parameter which, uint32_t max, uint32_t *number);
/* tenant, limit and cursor of a list; false, and answered, when the limit is none. */
bool parameters_take_page(struct http_exchange exchange, const struct parameters *parameters,
                          struct view_query *query_out);
/* Answers with a page of a list; INVALID is a cursor that is not ours. */
void parameters_answer_page(struct http_exchange exchange, struct status status,
                            const struct text *page);
/* Answers 400: "parameter <name>: <wanted>". */
void parameters_refuse(struct http_exchange exchange, enum parameter which, const char *wanted);

/* --- access.c --- */
/* The tenant whose data may be shown, empty for all; false, and answered, when it is none.
 * `asked` is what the request names, maybe empty. */
bool access_settle_tenant(struct console *console, struct http_exchange exchange,
                          const struct http_request *request, struct slice asked,
                          struct slice *tenant_out);
/* Whether it is who may read what is of all tenants together; false, and answered, when not. */
bool access_may_read_metrics(struct console *console, struct http_exchange exchange,
                             const struct http_request *request);

/* --- actions.c --- */
void action_start(struct console *console, struct http_exchange exchange, struct slice id,
                  enum operator_action what, const struct http_request *request);
/* The two words of an action's body; false, and answered, when they cannot be read. */
bool action_read_body(struct http_exchange exchange, const struct http_request *request,
                      struct text *by, struct text *note);
/* Into the journal; answered after the commit. */
void action_send(struct console *console, struct http_exchange exchange, struct slice id,
                 const struct operator_request *request);
void actions_take_back(struct console *console);
/* The same; answered 200 without words. */
void action_send_quietly(struct console *console, struct http_exchange exchange, struct slice id,
                         const struct operator_request *request);
/* Whether the incident is resolved already. */
bool action_is_too_late(struct console *console, struct slice id);

/* --- slack_actions.c --- */
/* POST /api/v1/slack/interactions */
void slack_on_request(struct console *console, struct http_exchange exchange,
                      const struct http_request *request);

/* --- put_aside_api.c: what dead letters and the quarantine share --- */
/* What stands behind .../dlq or .../quarantine: nothing, or '/' and more. */
struct aside_path {
    struct slice id; /* empty: the list is asked for */
    bool is_retry;
    bool is_drop;
};
/* "", "/<id>", "/<id>/retry" or "/<id>/drop", with a method that fits; false, and answered, when it
 * is none of them. */
bool aside_read_path(struct http_exchange exchange, const struct http_request *request,
                     struct slice rest, struct aside_path *path_out);

/* --- dead_letters.c --- */
/* /api/v1/dlq[/<number>[/retry|/drop]]; `rest` is what stands behind dlq. */
void letters_on_request(struct console *console, struct http_exchange exchange, struct slice rest,
                        const struct http_request *request);

/* --- quarantine_api.c --- */
/* /api/v1/quarantine[/<id>[/retry|/drop]]; `rest` is what stands behind quarantine. */
void quarantine_on_request(struct console *console, struct http_exchange exchange,
                           struct slice rest, const struct http_request *request);

/* --- edges_api.c --- */
/* /api/v1/graph/remove; `rest` is what stands behind it. */
void edges_on_request(struct console *console, struct http_exchange exchange, struct slice rest,
                      const struct http_request *request);

/* --- silences_api.c --- */
/* /api/v1/silences[/<id>/expire]; `rest` is what stands behind silences. */
void silences_on_request(struct console *console, struct http_exchange exchange, struct slice rest,
                         const struct http_request *request);

/* --- fields.c --- */
/* Reads {"by":"...","note":"..."}; both optional, other keys ignored; an empty body is fine.
 * INVALID for anything else. Values are unescaped into the texts. */
MUST_CHECK struct status fields_read(struct slice body, struct text *by, struct text *note);
