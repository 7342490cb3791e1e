"""botocore under watch: operations are judged by their names, since reads of AWS are POST requests too."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from shadow_mw.guard.allowed import split_authority
from shadow_mw.guard.patching import Undo, replaced
from shadow_mw.guard.watch import current, vouched

_READING = (
    "Get",
    "List",
    "Describe",
    "Head",
    "Query",
    "Scan",
    "Select",
    "BatchGet",
    "TransactGet",
    "AssumeRole",
)


def botocore(module: Any) -> Undo:
    """Every operation of every client, boto3's resources and transfers too."""

    def make(original: Any) -> Any:
        def call(client: Any, operation: str, parameters: Any) -> Any:
            watch = current()
            if watch is None:
                return original(client, operation, parameters)
            if not operation.startswith(_READING):
                parts = urlsplit(client.meta.endpoint_url)
                host, port = split_authority(parts.scheme, parts.netloc)
                if not watch.rules.allowed.has_host(host, port):
                    watch.judge("aws", f"{client.meta.service_model.service_name} {operation}")
            with vouched():
                return original(client, operation, parameters)

        return call

    return replaced(module.BaseClient, "_make_api_call", make)
