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


class PostgresDialect:
    """PostgreSQL's SQL."""

    def log_bin(self, microseconds: str) -> str:
        """The 1 % logarithmic bin of a duration."""
        # ln(numeric) would be exact and slow.
        us = f"CAST(greatest({microseconds}, 1) AS double precision)"
        return f"CAST(floor(ln({us}) / ln(CAST(1.01 AS double precision))) AS bigint)"

    def step(self, moment: str, microseconds: int) -> str:
        """The start of the stretch in which a moment lies."""
        return f"({moment} / {int(microseconds)}) * {int(microseconds)}"

    def prefix(self, text: str, chars: int) -> str:
        """The first so many characters of a text."""
        return f"left({text}, {int(chars)})"

    def each(self, items: str) -> str:
        """A row for each item of a list of texts."""
        return f"unnest({items})"

    def each_key(self, entries: str) -> str:
        """A row for each key of a map."""
        return f'(jsonb_each_text({entries})).key COLLATE "C"'

    def each_value(self, entries: str) -> str:
        """A row for each text in a map of texts."""
        return f'(jsonb_each_text({entries})).value COLLATE "C"'

    def each_count(self, entries: str) -> str:
        """A row for each number in a map of counts."""
        return f"CAST({self.each_value(entries)} AS bigint)"


class ClickHouseDialect:
    """ClickHouse's SQL."""

    def log_bin(self, microseconds: str) -> str:
        """The 1 % logarithmic bin of a duration."""
        return f"CAST(floor(ln(greatest({microseconds}, 1)) / ln(1.01)) AS Int64)"

    def step(self, moment: str, microseconds: int) -> str:
        """The start of the stretch in which a moment lies."""
        return f"intDiv({moment}, {int(microseconds)}) * {int(microseconds)}"

    def prefix(self, text: str, chars: int) -> str:
        """The first so many characters of a text."""
        return f"leftUTF8({text}, {int(chars)})"

    def each(self, items: str) -> str:
        """A row for each item of a list of texts."""
        return f"arrayJoin({items})"

    def each_key(self, entries: str) -> str:
        """A row for each key of a map."""
        return f"arrayJoin({entries}).1"

    def each_value(self, entries: str) -> str:
        """A row for each text in a map of texts."""
        return f"arrayJoin({entries}).2"

    def each_count(self, entries: str) -> str:
        """A row for each number in a map of counts."""
        return self.each_value(entries)
