/*
 * otlp_known_list.h - the attributes that the rules look for, by name: X(with, name, words); `with`
 * is the caller's own.
 *
 * Sorted by length, so that a key is compared with those of its own length only.
 */
#pragma once

#define OTLP_FOR_EACH_KNOWN(X, with)                                                               \
    X(with, OTLP_JOB_ID, "job.id")                                                                 \
    X(with, OTLP_RUN_ID, "run.id")                                                                 \
    X(with, OTLP_DB_NAME, "db.name")                                                               \
    X(with, OTLP_CHECK_ID, "check.id")                                                             \
    X(with, OTLP_EVENT_ID, "event.id")                                                             \
    X(with, OTLP_DB_SYSTEM, "db.system")                                                           \
    X(with, OTLP_TENANT_ID, "tenant.id")                                                           \
    X(with, OTLP_ERROR_TYPE, "error.type")                                                         \
    X(with, OTLP_JOB_STATUS, "job.status")                                                         \
    X(with, OTLP_CHECK_STATUS, "check.status")                                                     \
    X(with, OTLP_DATASET_NAME, "dataset.name")                                                     \
    X(with, OTLP_DB_NAMESPACE, "db.namespace")                                                     \
    X(with, OTLP_PEER_SERVICE, "peer.service")                                                     \
    X(with, OTLP_SERVICE_NAME, "service.name")                                                     \
    X(with, OTLP_DB_SYSTEM_NAME, "db.system.name")                                                 \
    X(with, OTLP_EXCEPTION_TYPE, "exception.type")                                                 \
    X(with, OTLP_SERVER_ADDRESS, "server.address")                                                 \
    X(with, OTLP_MESSAGING_SYSTEM, "messaging.system")                                             \
    X(with, OTLP_EXCEPTION_MESSAGE, "exception.message")                                           \
    X(with, OTLP_SERVICE_NAMESPACE, "service.namespace")                                           \
    X(with, OTLP_PIPELINE_NAME, "cicd.pipeline.name")                                              \
    X(with, OTLP_PIPELINE_RESULT, "cicd.pipeline.result")                                          \
    X(with, OTLP_PIPELINE_RUN_ID, "cicd.pipeline.run.id")                                          \
    X(with, OTLP_MESSAGING_DESTINATION, "messaging.destination")                                   \
    X(with, OTLP_MESSAGING_DESTINATION_NAME, "messaging.destination.name")
