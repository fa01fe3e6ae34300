"""OTLP requests in protobuf, by hand."""
SERVICES = "/opentelemetry.proto.collector."
LOGS = SERVICES + "logs.v1.LogsService/Export"


def field(number, payload):
    assert len(payload) < 1 << 14
    size = bytes([len(payload) & 0x7F | 0x80, len(payload) >> 7])
    return bytes([number << 3 | 2]) + size + payload


def log_request(service, message=b"boom"):
    """An ExportLogsServiceRequest with one error record."""
    attribute = field(1, b"service.name") + field(2, field(1, service.encode()))
    record = bytes([2 << 3, 17]) + field(5, field(1, message))
    return field(1, field(1, field(1, attribute)) + field(2, field(2, record)))
