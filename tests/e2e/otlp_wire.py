"""OTLP requests in protobuf, by hand."""
SERVICES = "/opentelemetry.proto.collector."
LOGS = SERVICES + "logs.v1.LogsService/Export"
METRICS = SERVICES + "metrics.v1.MetricsService/Export"
# The field of a Metric that holds the data of a type, and that of its points' attributes.
POINT_TYPES = {"gauge": (5, 7), "sum": (7, 7), "histogram": (9, 9), "exponentialHistogram": (10, 1),
               "summary": (11, 7)}


def field(number, payload):
    assert len(payload) < 1 << 14
    size = bytes([len(payload) & 0x7F | 0x80, len(payload) >> 7])
    return bytes([number << 3 | 2]) + size + payload


def log_request(service, message=b"boom"):
    """An ExportLogsServiceRequest with one error record."""
    attribute = field(1, b"service.name") + field(2, field(1, service.encode()))
    record = bytes([2 << 3, 17]) + field(5, field(1, message))
    return field(1, field(1, field(1, attribute)) + field(2, field(2, record)))


def metric_request(kind, *points):
    """An ExportMetricsServiceRequest with one metric; its points are dicts of attributes."""
    metric, attributes = POINT_TYPES[kind]
    data = b"".join(field(1, b"".join(
        field(attributes, field(1, key.encode()) + field(2, field(1, value.encode())))
        for key, value in point.items())) for point in points)
    return field(1, field(2, field(2, field(1, b"m") + field(metric, data))))
