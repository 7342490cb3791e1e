"""How each engine writes the few things that engines write differently (see `protocols.Dialect`)."""

from __future__ import annotations


class DuckDBDialect:
    """The embedded store's SQL."""

    def log_bin(self, microseconds: str) -> str:
        """The 1 % logarithmic bin of a duration."""
        return f"CAST(floor(ln(greatest({microseconds}, 1)) / ln(1.01)) AS BIGINT)"

    def step(self, moment: str, microseconds: int) -> str:
        """The start of the stretch in which a moment lies."""
        return f"({moment} // {int(microseconds)}) * {int(microseconds)}"

    def prefix(self, text: str, chars: int) -> str:
        """The first so many characters of a text."""
        return f"left({text}, {int(chars)})"

    def each(self, items: str) -> str:
        """A row for each item of a list of texts."""
        return f"unnest({items})"

    def each_key(self, entries: str) -> str:
        """A row for each key of a map."""
        return f"unnest(map_keys({entries}))"

    def each_value(self, entries: str) -> str:
        """A row for each text in a map of texts."""
        return f"unnest(map_values({entries}))"

    def each_count(self, entries: str) -> str:
        """A row for each number in a map of counts."""
        return self.each_value(entries)
