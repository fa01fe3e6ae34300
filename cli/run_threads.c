/* run_threads.c - see run_threads.h. */
#include "cli/run_threads.h"

void ended_threads_add(struct ended_threads *ended, const char *area, struct status status,
                       const char *words) {
    atomic_fetch_add(&ended->count, 1);
    stats_add(ended->stats, STAT_THREADS_ENDED, 1);
    log_write(ended->logger, LOG_LEVEL_ERROR, area,
              "its thread ended by itself (%s%s%s): start quell anew", status_name(status),
              words[0] != 0 ? ": " : "", words);
}

void listening_init(struct listening *listening) {
    pthread_mutex_init(&listening->lock, NULL);
    pthread_cond_init(&listening->changed, NULL);
}

void listening_settle(void *context, uint16_t port, const struct fault *fault) {
    struct listening *listening = context;
    pthread_mutex_lock(&listening->lock);
    listening->is_settled = true;
    listening->port = port;
    if (fault != NULL) {
        listening->fault = *fault;
    }
    pthread_cond_broadcast(&listening->changed);
    pthread_mutex_unlock(&listening->lock);
}

struct status listening_wait(struct listening *listening, struct fault *fault) {
    pthread_mutex_lock(&listening->lock);
    while (!listening->is_settled) {
        pthread_cond_wait(&listening->changed, &listening->lock);
    }
    uint16_t port = listening->port;
    pthread_mutex_unlock(&listening->lock);
    return port != 0 ? status_ok() : fault_set(fault, STATUS_IO, "%s", listening->fault.words);
}
