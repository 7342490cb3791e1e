"""Settings of privacy: what shadows, brokers, records and spans are told, and for how long."""

from __future__ import annotations

from pydantic import Field, model_validator

from shadow_mw.captures import parse_capture
from shadow_mw.configuration import Configuration
from shadow_mw.fates import parse_entry
from shadow_mw.values import CaptureText, Entries, LowerNames, RedactKey


class PrivacySettings(Configuration):
    """What leaves the process, and what is kept of it. Immutable."""

    forward_headers: LowerNames = Field(
        ("content-type", "content-encoding", "accept", "accept-language"),
        description="Request headers that are sent on to the shadow. Credentials and cookies go only if "
        "they are listed here.",
    )
    redact: Entries = Field(
        ("password", "secret", "token", "api_key", "authorization"),
        description="What is hidden in records and spans: keys (at any depth, in upper or lower case) and "
        "JMESPaths (from the top of either body), each with what happens: `=mask` (the default, "
        "`[redacted]`), `=hash` or `=drop`, as in `password, user.email=hash, items[*].note=drop`.",
    )
    redact_request: Entries = Field(
        (),
        description="As `SHADOW_REDACT`, but already in what shadows and brokers are sent: in JSON bodies, "
        "and by key in the query. The shadow predicts without it.",
    )
    redact_key: RedactKey = Field(
        "",
        repr=False,
        description="The key of all hashes, 16 bytes or more: itself, or `file:` and the path of a file that "
        "holds it and nothing else. The same value has the same hash under the same key.",
    )
    capture: CaptureText = Field(
        "full",
        description="How much of features and predictions is kept: `full`, `hash` or `none`, or one for each "
        "place, as in `spans=none, records.features=hash`. What is said more exactly counts.",
    )
    encryption_keys: str = Field(
        "",
        description="A file of keys with which exchanges are encrypted before they go to a broker "
        "(AES-256-GCM): a line `id: base64 of 32 bytes` each. The first one encrypts, all of them decrypt. "
        "Not set: they are not encrypted.",
    )
    retention_days: float = Field(30.0, gt=0.0, description="How many days records are kept.")

    @model_validator(mode="after")
    def _hashes_have_a_key(self) -> PrivacySettings:
        if not self.redact_key and (hashing := self._hashing()):
            raise ValueError(
                f"{hashing} asks for hashes, and SHADOW_REDACT_KEY is not set: give it 16 bytes or more, "
                "or file: and a path; `openssl rand -hex 32` makes a key"
            )
        return self

    def _hashing(self) -> str:
        """The variable that asks for hashes first; empty where none does."""
        for name, entries in (("SHADOW_REDACT", self.redact), ("SHADOW_REDACT_REQUEST", self.redact_request)):
            for entry in entries:
                if parse_entry(entry).fate == "hash":
                    return f"{name} ({entry})"
        return f"SHADOW_CAPTURE ({self.capture})" if parse_capture(self.capture).has_hash else ""
