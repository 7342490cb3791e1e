"""Settings of privacy: what shadows, brokers, records and spans are told, and for how long."""

from __future__ import annotations

from pydantic import Field

from shadow_mw.configuration import Configuration
from shadow_mw.values import LowerNames


class PrivacySettings(Configuration):
    """What leaves the process, and what is kept of it. Immutable."""

    forward_headers: LowerNames = Field(
        ("content-type", "content-encoding", "accept", "accept-language"),
        description="Request headers that are sent on to the shadow. Credentials and cookies go only if "
        "they are listed here.",
    )
    redact: LowerNames = Field(
        ("password", "secret", "token", "api_key", "authorization"),
        description="Keys whose values are replaced by `[redacted]` in records and spans, at any depth, "
        "in upper or lower case.",
    )
    redact_request: LowerNames = Field(
        (),
        description="Keys whose values are replaced by `[redacted]` already in what shadows and brokers are "
        "sent, at any depth of a JSON body, in upper or lower case. The shadow predicts without them.",
    )
    encryption_keys: str = Field(
        "",
        description="A file of keys with which exchanges are encrypted before they go to a broker "
        "(AES-256-GCM): a line `id: base64 of 32 bytes` each. The first one encrypts, all of them decrypt. "
        "Not set: they are not encrypted.",
    )
    retention_days: float = Field(30.0, gt=0.0, description="How many days records are kept.")
