"""Spans and metrics of a mirror, set up by the standard `OTEL_*` variables and nothing of our own."""
