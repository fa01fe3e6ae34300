/*
 * admin_client.h - one call of the admin API of a running quell: blocking HTTP/1.1 for commands,
 * over TLS when the configuration has the console speak it.
 */
#pragma once

#include "cli/options.h"
#include "core/base/fault.h"
#include "core/base/text.h"

struct admin_client {
    struct slice address;          /* "127.0.0.1:8418" */
    const char *token;             /* NULL: none */
    const struct tls_options *tls; /* the server's; NULL: plain */
    const char *tenant;            /* X-Scope-OrgID; NULL: not said */
    const char *media_type;        /* of the body; NULL: JSON */
    const char *about;             /* said before why a call failed: one of many; NULL: nothing */
};

/* Of --console, else the configuration's; the token of --token or QUELL_TOKEN. `config_out` keeps
 * the address and is to be released; it may be NULL. INVALID when the configuration is bad. */
MUST_CHECK struct status admin_client_of(const struct cli_options *options,
                                         struct admin_client *client_out,
                                         struct config **config_out);
/* Calls; says on stderr what went wrong: false then, with `answer` empty when nothing answered. */
bool admin_call_or_say(const struct admin_client *client, struct slice path, struct slice body,
                       struct text *answer);
/* Says on stderr why an answer is none: its status, and the words of its error. */
void admin_say_refused(const struct admin_client *client, unsigned http_status,
                       struct slice answer);
/* One GET by --console or the configuration into memory of its own: free answer_out->data. false,
 * and said on stderr, when it was not answered; then there is nothing to free. */
bool admin_ask(const struct cli_options *options, struct slice path, struct text *answer_out);
/* Appends "&name=value", encoded; nothing for NULL. */
void admin_add_parameter(struct text *path, const char *name, const char *value);
/* Says on stderr how the list goes on behind this page, if it does. */
void admin_tell_more(struct slice page);
/* Says on stdout what was done to what: in words, or the API's answer with --json. */
void admin_tell_done(const struct cli_options *options, const struct text *answer, const char *id,
                     const char *what);
/* Who acts: --by, else $USER. */
const char *admin_actor(const struct cli_options *options);
/* `body` empty: GET, else POST. IO with words when nothing answers; else the HTTP status, and the
 * body in `answer`. */
MUST_CHECK struct status admin_call(const struct admin_client *client, struct slice path,
                                    struct slice body, unsigned *http_status_out,
                                    struct text *answer, struct fault *fault);
