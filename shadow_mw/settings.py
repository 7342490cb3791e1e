"""Settings: every `SHADOW_*` variable, its default, its meaning and its errors."""

from __future__ import annotations

import difflib
import os
import re
from typing import Any, Literal

from pydantic import Field, ValidationError

from shadow_mw.configuration import PREFIX
from shadow_mw.exceptions import SettingsError
from shadow_mw.guard_variables import GUARD_VARIABLES
from shadow_mw.mirroring import MirroringSettings
from shadow_mw.queue_urls import KAFKA_PREFIX

#: What stands before the @ of a URL: of each item of a list, and of the whole.
_CREDENTIALS = re.compile(r"//([^,\n]*)@")
_ALL_CREDENTIALS = re.compile(r"//(.*)@", re.DOTALL)
_LONGEST_HARMLESS = 4


class Settings(MirroringSettings):
    """Everything that can be tuned, read from `SHADOW_*` variables; keyword arguments win. Immutable.

    To the settings of mirroring it adds those of deciding from what was mirrored.
    """

    gate_min_agreement: float = Field(
        0.99,
        ge=0.0,
        le=1.0,
        description="The least agreement with which a shadow may be promoted, 0.0 to 1.0.",
    )
    gate_max_latency_ratio: float = Field(
        1.2, gt=0.0, description="The most that the shadow's p95 latency may be of production's."
    )
    gate_max_error_increase: float = Field(
        0.001,
        ge=0.0,
        le=1.0,
        description="The most by which the shadow's error rate may exceed production's.",
    )
    gate_min_coverage: float = Field(
        0.95, ge=0.0, le=1.0, description="The least share of eligible requests that the shadow answered."
    )
    gate_confidence: float = Field(
        0.95, ge=0.5, lt=1.0, description="How sure each criterion of the gate must be."
    )
    gate_min_samples: int = Field(
        1000, ge=1, description="The least number of verdicts before the gate says anything but wait."
    )
    gate_max_segment_disagreement: float | None = Field(
        None,
        ge=0.0,
        le=1.0,
        description="The most disagreement in any one segment of the features. Not set: three times what "
        "`SHADOW_GATE_MIN_AGREEMENT` allows.",
    )
    trace_ui: str = Field(
        "",
        pattern=r"^$|^https?://[^\s]*\{trace_id\}[^\s]*$",
        description="Where the dashboard's link to a trace leads: a URL with `{trace_id}` in it, as in "
        "`http://localhost:16686/trace/{trace_id}`.",
    )
    dashboard_token: str = Field(
        "",
        repr=False,
        description="What one must show to see the dashboard from another machine, 16 characters or more. "
        "Not set: it answers this machine alone.",
    )

    @property
    def is_inert(self) -> bool:
        """True when nothing will be mirrored."""
        return not (self.enabled and self.targets)


def variable(field: str) -> str:
    """The environment variable of a settings field."""
    return PREFIX + field.upper()


def load_settings(**overrides: Any) -> Settings:
    """The settings in force: keyword arguments, then the environment, then defaults.

    Raises:
        SettingsError: one or more are wrong; a line for each names the variable and the mend.

    """
    _refuse_unknown(overrides)
    _refuse_undecodable(overrides)
    try:
        return Settings(**overrides)
    except ValidationError as error:
        lines = [
            _sentence(detail, overrides) for detail in error.errors(include_url=False, include_input=False)
        ]
        raise SettingsError("\n".join(lines)) from None


def origin(field: str, overrides: dict[str, Any]) -> Literal["keyword", "environment", "default"]:
    """Where the value of a field came from."""
    if field in overrides:
        return "keyword"
    name = variable(field)
    return (
        "environment"
        if any(key.upper() == name and value for key, value in os.environ.items())
        else "default"
    )


def unknown_variables() -> dict[str, str]:
    """`SHADOW_*` variables in the environment that are no setting, each with the nearest one or empty."""
    known = [*(variable(field) for field in Settings.model_fields), *GUARD_VARIABLES]
    strangers = [
        key
        for key in os.environ
        if key.upper().startswith(PREFIX)
        and key.upper() not in known
        and not key.upper().startswith(KAFKA_PREFIX)
    ]
    return {key: _nearest(key.upper(), known) for key in sorted(strangers)}


def _refuse_unknown(overrides: dict[str, Any]) -> None:
    for name in overrides:
        if name in Settings.model_fields:
            continue
        near = _nearest(name, list(Settings.model_fields))
        hint = f": did you mean {near!r}?" if near else ""
        raise SettingsError(f"{name!r} is not a setting{hint}")


def _refuse_undecodable(overrides: dict[str, Any]) -> None:
    """Refuse what holds bytes that are no UTF-8, before a message that quotes them fails by itself."""
    for field in Settings.model_fields:
        text = _raw(field, overrides)
        if not text.isascii() and text.encode("utf-8", "replace").decode() != text:
            raise SettingsError(f"{variable(field)}: its value is not text in UTF-8")


def _raw(field: str, overrides: dict[str, Any]) -> str:
    """A setting as it was given, or an empty text."""
    if field in overrides:
        return str(overrides[field])
    name = variable(field)
    return next((value for key, value in os.environ.items() if key.upper() == name), "")


def _nearest(word: str, known: list[str]) -> str:
    return next(iter(difflib.get_close_matches(word, known, n=1)), "")


def _sentence(detail: Any, overrides: dict[str, Any]) -> str:
    message = str(detail["ctx"]["error"]) if "error" in detail.get("ctx", {}) else str(detail["msg"])
    if not detail["loc"]:
        return message
    field = str(detail["loc"][0])
    given = " (given as a keyword)" if field in overrides else ""
    description = Settings.model_fields[field].description
    return f"{variable(field)}{given}: {_without_credentials(message, _raw(field, overrides))}. {description}"


def _without_credentials(message: str, value: str) -> str:
    """A message that may quote a value, without what stands before the @ of a URL in it."""
    found = _CREDENTIALS.findall(value)
    # Lists are split at commas, which a password may hold, so that a message quotes a part of it.
    parts = [part for whole in _ALL_CREDENTIALS.findall(value) for part in re.split(r"[,:'\"\\]", whole)]
    for secret in [*found, *(part for part in parts if len(part) >= _LONGEST_HARMLESS)]:
        for form in (secret, repr(secret)[1:-1]):
            message = message.replace(form, "***") if form else message
    return message
