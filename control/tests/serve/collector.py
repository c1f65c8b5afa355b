"""A collector of OpenTelemetry for the tests: reads what comes with the published protobuf definitions, from PyPI.

    collector.py PORT FILE

Writes each log record as a line of JSON. The first request is answered 503, which a sender has to try again.
"""

import json
import sys
from http.server import BaseHTTPRequestHandler, HTTPServer

from google.protobuf.json_format import MessageToDict
from google.protobuf.unknown_fields import UnknownFieldSet
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import (
    ExportLogsServiceRequest,
    ExportLogsServiceResponse,
)


class Collector(BaseHTTPRequestHandler):
    requests = 0

    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        Collector.requests += 1
        status, answer = 503, b""
        if Collector.requests > 1:
            status, answer = 200, self.take(body)
        self.send_response(status)
        self.send_header("content-type", "application/x-protobuf")
        self.send_header("content-length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def take(self, body):
        assert self.path == "/v1/logs" and self.headers["content-type"] == "application/x-protobuf"
        request = ExportLogsServiceRequest()
        request.ParseFromString(body)
        with open(sys.argv[2], "a") as out:
            for resource in request.resource_logs:
                for scope in resource.scope_logs:
                    for record in scope.log_records:
                        assert len(UnknownFieldSet(record)) == 0
                        line = MessageToDict(record)
                        line["trace"], line["span"] = record.trace_id.hex(), record.span_id.hex()
                        line["resource"] = MessageToDict(resource.resource)
                        line["scope"] = scope.scope.name
                        line["authorization"] = self.headers["authorization"]
                        out.write(json.dumps(line) + "\n")
        response = ExportLogsServiceResponse()
        # One that is not taken, so that the sender has something to count.
        response.partial_success.rejected_log_records = 1
        response.partial_success.error_message = "one too many"
        return response.SerializeToString()

    def log_message(self, *_):
        pass


HTTPServer(("127.0.0.1", int(sys.argv[1])), Collector).serve_forever()
