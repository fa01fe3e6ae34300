/* kafka_joining.c - see kafka_joining.h. */
#include "core/kafka_joining.h"

#include <librdkafka/rdkafka.h>

#include "core/base/assert.h"

#define WATCHER "quell"

enum { API_JOIN_GROUP = 11, API_SYNC_GROUP = 14 }; /* Kafka's protocol, "Api Keys" */

static rd_kafka_resp_err_t on_request(rd_kafka_t *native, int socket, const char *broker,
                                      int32_t broker_id, int16_t api, int16_t version,
                                      int32_t number, size_t size, void *context) {
    struct kafka_joining *joining = context;
    (void)native, (void)socket, (void)broker, (void)broker_id, (void)version;
    (void)number, (void)size;
    if (api == API_JOIN_GROUP) {
        atomic_store(&joining->is_under_way, true);
    }
    return RD_KAFKA_RESP_ERR_NO_ERROR;
}

/* A join that is answered goes on with the question for our share, or with another join. `error`
 * is one of the connection, and what stood behind the request went with that. */
static rd_kafka_resp_err_t on_answer(rd_kafka_t *native, int socket, const char *broker,
                                     int32_t broker_id, int16_t api, int16_t version,
                                     int32_t number, size_t size, int64_t taken_us,
                                     rd_kafka_resp_err_t error, void *context) {
    struct kafka_joining *joining = context;
    (void)native, (void)socket, (void)broker, (void)broker_id, (void)version;
    (void)number, (void)size, (void)taken_us;
    bool is_failed = error != RD_KAFKA_RESP_ERR_NO_ERROR;
    if (api == API_SYNC_GROUP || (api == API_JOIN_GROUP && is_failed)) {
        atomic_store(&joining->is_under_way, false);
    }
    return RD_KAFKA_RESP_ERR_NO_ERROR;
}

static rd_kafka_resp_err_t on_new(rd_kafka_t *native, const rd_kafka_conf_t *conf, void *context,
                                  char *words, size_t words_size) {
    (void)conf, (void)words, (void)words_size;
    rd_kafka_resp_err_t code =
        rd_kafka_interceptor_add_on_request_sent(native, WATCHER, on_request, context);
    if (code == RD_KAFKA_RESP_ERR_NO_ERROR) {
        code = rd_kafka_interceptor_add_on_response_received(native, WATCHER, on_answer, context);
    }
    return code;
}

void kafka_joining_watch(struct kafka_joining *joining, struct rd_kafka_conf_s *conf) {
    rd_kafka_resp_err_t code = rd_kafka_conf_interceptor_add_on_new(conf, WATCHER, on_new, joining);
    ASSERT(code == RD_KAFKA_RESP_ERR_NO_ERROR); /* else it watches already */
}
