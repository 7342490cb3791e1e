"""A collector for OTLP over gRPC that forgets what it is told; it prints its port and ends with its input."""

from __future__ import annotations

import sys
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc


class Sink(grpc.GenericRpcHandler):
    """Answers every call with an empty message, which is a success in OTLP."""

    def service(self, handler_call_details: Any) -> Any:
        del handler_call_details
        return grpc.unary_unary_rpc_method_handler(_nothing)


def _nothing(request: bytes, context: grpc.ServicerContext) -> bytes:
    del request, context
    return b""


def main() -> None:
    server = grpc.server(ThreadPoolExecutor(2), handlers=(Sink(),))
    print(server.add_insecure_port("127.0.0.1:0"), flush=True)
    server.start()
    sys.stdin.read()
    server.stop(None)


if __name__ == "__main__":
    main()
