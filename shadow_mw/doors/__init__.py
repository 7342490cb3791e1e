"""More ways in than the one line: a call, a command, OpenTelemetry's entry point, a decorator."""
