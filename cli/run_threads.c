/* run_threads.c - see run_threads.h. */
#include "cli/run_threads.h"

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
