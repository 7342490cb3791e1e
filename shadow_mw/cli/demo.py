"""`shadow-mw demo`: two real models, one mirrored, on this computer."""

from __future__ import annotations

import argparse

SUMMARY = "watch real predictions being mirrored between two models on this computer"
DESCRIPTION = (
    "Train two scikit-learn models on handwritten digits, serve each from its own process on 127.0.0.1, "
    "mirror a stream of held-out inputs from one to the other, show it live on the dashboard, and print the "
    "report. Ctrl-C ends it."
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
    parser.add_argument("--requests", type=_positive, metavar="N", help="stop after N predict calls")
    parser.add_argument(
        "--shadow-fault",
        choices=("slow", "down", "errors", "wrong"),
        help="let the shadow misbehave: answer too late, refuse connections, answer 500, or answer nonsense",
    )
    parser.add_argument("--port", type=_port, default=0, help="production's port (default: a free one)")
    parser.add_argument(
        "--mode",
        choices=("async", "sync"),
        default="async",
        help="ask the shadow after production has answered (async, the default) or beside it (sync)",
    )
    parser.add_argument("--no-dashboard", action="store_true", help="without the page over the demo's store")
    parser.add_argument(
        "--stay", action="store_true", help="in a terminal: serve the page after the report until Ctrl-C"
    )


def run(arguments: argparse.Namespace) -> int:
    """Run the demo, then print its report; the exit code."""
    from shadow_mw.cli.report import print_report
    from shadow_mw.demo import Plan, run_demo

    plan = Plan(
        requests=arguments.requests,
        fault=arguments.shadow_fault or "",
        port=arguments.port,
        mode=arguments.mode,
        has_dashboard=not arguments.no_dashboard,
        stays=arguments.stay,
    )
    return run_demo(plan, print_report)


def _positive(text: str) -> int:
    number = int(text) if text.isascii() and text.isdigit() else 0
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of requests: give 1 or more")
    return number


def _port(text: str) -> int:
    number = int(text) if text.isascii() and text.isdigit() else -1
    if not 0 <= number <= 65535:
        raise argparse.ArgumentTypeError(f"{text!r} is not a port: give 1 to 65535")
    return number
