"""The figures for a terminal: medians over rounds, quartiles in brackets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from figures import Spread

Figures = Mapping[str, Any]


def overhead(variants: Mapping[str, Figures]) -> str:
    """What each way to mirror adds to the app alone, as ratios of latencies."""
    head = (
        "variant",
        "added CPU, µs/request",
        "mirror process",
        "p50, ms",
        "p50 / bare",
        "p99, ms",
        "p99 / bare",
    )
    rows = [
        (
            name,
            _added_cpu(name, figures),
            _mirror_cpu(figures),
            _spread(figures, "p50_ms", ".2f"),
            "" if figures["base"] == name else _spread(figures, "p50_ratio", ".2f"),
            _spread(figures, "p99_ms", ".2f"),
            "" if figures["base"] == name else _spread(figures, "p99_ratio", ".2f"),
            *_ends(figures),
        )
        for name, figures in variants.items()
    ]
    return _table([(*head, "mirrored", "errors"), *rows])


def network(variants: Mapping[str, Figures]) -> str:
    """What a proxy in front of the app adds to the app alone, as differences of latencies."""
    head = (
        "variant",
        "added CPU, µs/request",
        "of it the proxy",
        "mirror process",
        "added p50, ms",
        "added p99, ms",
        "next request, ms",
    )
    rows = [
        (
            name,
            _added_cpu(name, figures),
            _spread(figures, "proxy_cpu_us", ".0f") if figures["proxy"] else "",
            _mirror_cpu(figures),
            _spread(figures, "added_p50_ms", "+.2f"),
            _spread(figures, "added_p99_ms", "+.2f"),
            f"{figures['next_request_ms']:,.1f}",
            *_ends(figures),
        )
        for name, figures in variants.items()
    ]
    return _table([(*head, "mirrored", "errors"), *rows])


def mirroring(variants: Mapping[str, Figures]) -> str:
    """What mirroring adds to the same proxy without it."""
    head = ("variant", "against", "added CPU, µs/request", "added p50, ms", "added p99, ms")
    rows = [
        (
            name,
            figures["without"],
            _spread(figures["against_without"], "added_cpu_us", "+.0f"),
            _spread(figures["against_without"], "added_p50_ms", "+.2f"),
            _spread(figures["against_without"], "added_p99_ms", "+.2f"),
        )
        for name, figures in variants.items()
        if figures["without"]
    ]
    return _table([head, *rows])


def _added_cpu(name: str, figures: Figures) -> str:
    is_base = figures["base"] == name
    return (
        f"({figures['cpu_us']['median']:.0f} in all)" if is_base else _spread(figures, "added_cpu_us", "+.0f")
    )


def _mirror_cpu(figures: Figures) -> str:
    return _spread(figures, "mirror_cpu_us", ".0f") if figures["mirror_cpu_us"]["median"] else ""


def _ends(figures: Figures) -> tuple[str, str]:
    return f"{figures['mirrored_share']:.1%}", str(figures["errors"])


def _spread(figures: Figures, what: str, spec: str) -> str:
    return format(Spread(**figures[what]), spec)


def _table(rows: Sequence[Sequence[str]]) -> str:
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return "\n".join(
        "  ".join(
            text.ljust(width) if column == 0 else text.rjust(width)
            for column, (text, width) in enumerate(zip(row, widths, strict=True))
        )
        for row in rows
    )
