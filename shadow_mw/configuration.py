"""What every group of settings has in common."""

from __future__ import annotations

from pydantic_settings import BaseSettings, SettingsConfigDict

PREFIX = "SHADOW_"


class Configuration(BaseSettings):
    """Settings from `SHADOW_*` variables, of which an empty one counts as not set. Immutable."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX,
        enable_decoding=False,
        env_ignore_empty=True,
        frozen=True,
        extra="forbid",
        arbitrary_types_allowed=True,
        hide_input_in_errors=True,
    )
