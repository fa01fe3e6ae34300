/* kafka_message.c - a message's headers, and its way back to librdkafka; see kafka_client.h. */
#include <librdkafka/rdkafka.h>

#include "core/kafka_client.h"

void kafka_message_release(struct kafka_message *message) {
    if (message->native != NULL) {
        rd_kafka_message_destroy(message->native);
        message->native = NULL;
    }
}

bool kafka_message_has_headers(const struct kafka_message *message) {
    rd_kafka_headers_t *headers = NULL;
    return message->native != NULL && rd_kafka_message_headers(message->native, &headers) == 0;
}

bool kafka_message_header(const struct kafka_message *message, const char *name,
                          struct slice *value_out) {
    rd_kafka_headers_t *headers = NULL;
    const void *value = NULL;
    size_t size = 0;
    if (message->native == NULL ||
        rd_kafka_message_headers(message->native, &headers) != RD_KAFKA_RESP_ERR_NO_ERROR ||
        rd_kafka_header_get_last(headers, name, &value, &size) != RD_KAFKA_RESP_ERR_NO_ERROR) {
        return false;
    }
    *value_out = slice_of(value, value == NULL ? 0 : size);
    return true;
}

bool kafka_message_header_at(const struct kafka_message *message, uint32_t index,
                             struct slice *name_out, struct slice *value_out) {
    rd_kafka_headers_t *headers = NULL;
    const char *name = NULL;
    const void *value = NULL;
    size_t size = 0;
    if (message->native == NULL ||
        rd_kafka_message_headers(message->native, &headers) != RD_KAFKA_RESP_ERR_NO_ERROR ||
        rd_kafka_header_get_all(headers, index, &name, &value, &size) !=
            RD_KAFKA_RESP_ERR_NO_ERROR) {
        return false;
    }
    *name_out = slice_of_text(name);
    *value_out = slice_of(value, value == NULL ? 0 : size);
    return true;
}
