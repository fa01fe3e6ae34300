/* operator.c - see operator.h. */
#include "core/operator.h"

void operator_encode(const struct operator_request *request, struct writer *writer) {
    writer_u64(writer, (uint64_t)request->action);
    writer_hash128(writer, request->incident_id);
    writer_text(writer, request->tenant);
    writer_text(writer, request->by);
    writer_text(writer, request->note);
    writer_text(writer, request->detail);
}

struct status operator_decode(struct slice bytes, struct operator_request *request_out) {
    struct reader reader = reader_over(bytes);
    uint64_t action = reader_u64(&reader);
    struct operator_request request = {.action = (enum operator_action)action};
    request.incident_id = reader_hash128(&reader);
    request.tenant = reader_text(&reader);
    request.by = reader_text(&reader);
    request.note = reader_text(&reader);
    /* Journals of before this field end here. */
    request.detail = reader_left(&reader) == 0 ? slice_of(NULL, 0) : reader_text(&reader);
    if (reader.failed || action < OPERATOR_ACKNOWLEDGE || action >= OPERATOR_ACTIONS) {
        return status_of(STATUS_CORRUPT);
    }
    *request_out = request;
    return status_ok();
}

void operator_edge_encode(const struct operator_edge *edge, struct writer *writer) {
    writer_text(writer, edge->from);
    writer_text(writer, edge->to);
}

struct status operator_edge_decode(struct slice detail, struct operator_edge *edge_out) {
    struct reader reader = reader_over(detail);
    struct operator_edge edge;
    edge.from = reader_text(&reader);
    edge.to = reader_text(&reader);
    if (reader.failed || reader_left(&reader) != 0) {
        return status_of(STATUS_CORRUPT);
    }
    *edge_out = edge;
    return status_ok();
}
