"""`shadow-mw dashboard`: a web page over a store."""

from __future__ import annotations

import argparse
import contextlib
import errno
import importlib
import os
import socket
import sys
import threading
from typing import Any

from shadow_mw.cli.where import add_store_argument
from shadow_mw.exceptions import MissingExtraError, SettingsError

SUMMARY = "a web page over a store: the verdict, the figures, every disagreement"
DESCRIPTION = (
    "Serve the dashboard of a store until Ctrl-C. It only reads. It answers this machine alone; on any other "
    "address it needs a token of 16 characters or more (--token or SHADOW_DASHBOARD_TOKEN)."
)
HOST, PORT = "127.0.0.1", 8400


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
    add_store_argument(parser)
    parser.add_argument("--host", default=HOST, help=f"the address to listen at (default: {HOST})")
    parser.add_argument(
        "--port", type=int, default=PORT, help=f"the port; 0 takes a free one (default: {PORT})"
    )
    parser.add_argument(
        "--token",
        help="what others must show (default: SHADOW_DASHBOARD_TOKEN, which `ps` does not show)",
    )


def run(arguments: argparse.Namespace) -> int:
    """Serve until Ctrl-C or SIGTERM; the exit code.

    Raises:
        SettingsError: a setting is wrong, or the address needs a token and there is none.
        MissingExtraError: the extra `dashboard` is not installed.

    """
    try:
        import uvicorn
    except ImportError:
        raise MissingExtraError("The dashboard", "dashboard") from None
    from shadow_mw.dashboard import dashboard
    from shadow_mw.dashboard.access import is_loopback
    from shadow_mw.settings import load_settings

    given: dict[str, Any] = {"dashboard_token": arguments.token} if arguments.token else {}
    if not is_loopback(arguments.host) and not load_settings(**given).dashboard_token:
        raise SettingsError(
            f"at {arguments.host} anybody could read the records: set SHADOW_DASHBOARD_TOKEN to 16 "
            f"characters or more, as `openssl rand -hex 16` makes them, or listen at {HOST}"
        )
    config = uvicorn.Config(
        dashboard(arguments.store, **given),
        host=arguments.host,
        port=arguments.port,
        log_level="warning",
        # Who asks is decided by the connection itself, never by what a header claims.
        proxy_headers=False,
        server_header=False,
    )
    _serve(uvicorn.Server(config), config)
    return 0


def _serve(server: Any, config: Any) -> None:
    """Listen first, so that the URL that is printed is one that answers: early calls wait in the backlog."""
    family = socket.AF_INET6 if ":" in config.host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((config.host, config.port))
        listener.listen(config.backlog)
    except OSError as error:
        listener.close()
        mend = ": choose another with --port" if error.errno == errno.EADDRINUSE else ""
        reason = os.strerror(error.errno) if error.errno else str(error)
        raise SettingsError(f"cannot listen at {config.host} port {config.port}: {reason}{mend}") from None
    host = f"[{config.host}]" if ":" in config.host else config.host
    print(f"shadow-mw dashboard: http://{host}:{listener.getsockname()[1]}/", file=sys.stderr, flush=True)
    # The libraries of the statistics take seconds to load: while the user still clicks on the address.
    threading.Thread(target=_load_libraries, name="shadow-mw-libraries", daemon=True).start()
    server.run(sockets=[listener])


def _load_libraries() -> None:
    with contextlib.suppress(ImportError):
        importlib.import_module("duckdb")
        importlib.import_module("scipy.stats")
