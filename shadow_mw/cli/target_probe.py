"""What `shadow-mw check` tries of a shadow behind HTTP: whether it may be asked, and whether it answers."""

from __future__ import annotations

import os
from collections.abc import Sequence

import anyio
import httpcore
import httpx

from shadow_mw.cli.finding import Finding
from shadow_mw.exceptions import ShadowAddressRefused
from shadow_mw.networks import Network
from shadow_mw.shadows.admission import Admission
from shadow_mw.shadows.watched_network import WatchedNetwork
from shadow_mw.targets import Target

_BROKEN = (
    httpcore.NetworkError,
    httpcore.ProtocolError,
    httpcore.UnsupportedProtocol,
    httpx.InvalidURL,
    OSError,
)


async def probe_target(target: Target, networks: Sequence[Network], deadline_seconds: float) -> Finding:
    """Send one marked OPTIONS request, to which any HTTP status is an answer."""
    where = f"target {target.name} at {target.url}"
    notes: list[str] = []
    try:
        with anyio.fail_after(deadline_seconds):
            status = await _options(target, Admission(target, networks, notes.append))
    except ShadowAddressRefused as error:
        return Finding(False, f"{where} is refused ({error}): correct SHADOW_TARGETS{_or_networks(networks)}")
    except (TimeoutError, httpcore.TimeoutException):
        return Finding(
            False,
            f"{where} did not answer within {deadline_seconds:g} s: is it overloaded, or behind a firewall?",
        )
    except httpcore.ConnectError as error:
        return Finding(False, f"{where} cannot be reached ({_cause(error)}): {_mend(error)}")
    except _BROKEN as error:
        return Finding(False, f"{where} does not speak HTTP ({_cause(error)}): check the port and the scheme")
    note = "".join(f"; but {note}" for note in notes)
    return Finding(True, f"{where} answers (status {status}){note}")


async def _options(target: Target, admission: Admission) -> int:
    """The status, over connections that go where a shadow's may go and nowhere else."""
    url = httpx.URL(target.url)
    address = httpcore.URL(scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path)
    headers = [(b"Host", url.netloc), (b"Shadow-Request", target.name.encode())]
    trusted = httpx.create_ssl_context(verify=True, trust_env=False)
    async with (
        httpcore.AsyncConnectionPool(ssl_context=trusted, network_backend=WatchedNetwork(admission)) as pool,
        pool.stream("OPTIONS", address, headers=headers) as response,
    ):
        return response.status


def _or_networks(networks: Sequence[Network]) -> str:
    return " or SHADOW_TARGET_NETWORKS" if networks else ""


def _cause(error: BaseException) -> str:
    """What the operating system said at the bottom of the chain, else what the client said."""
    deepest = error
    while deepest.__cause__ or deepest.__context__:
        deepest = deepest.__cause__ or deepest.__context__ or deepest
    if isinstance(deepest, ConnectionError) and deepest.errno:
        return os.strerror(deepest.errno)  # asyncio puts a sentence of its own into `strerror`
    reason = deepest.strerror if isinstance(deepest, OSError) else ""
    return reason or str(error) or type(error).__name__


def _mend(error: httpcore.ConnectError) -> str:
    text = f"{error} {_cause(error)}".lower()
    if "certificate" in text or "ssl" in text or "tls" in text:
        return "its certificate is not trusted, or it does not speak TLS; check https:// against http://"
    if "name or service" in text or "nodename" in text or "getaddrinfo" in text or "resolution" in text:
        return "its host name is unknown here; check the spelling in SHADOW_TARGETS"
    return "start the shadow, or correct SHADOW_TARGETS"
