"""A worker of the tests' own, as another user where asked: asks Python shadows, and says what came of it.

One order a line on standard input, one answer a line on standard output, both JSON.
"""

from __future__ import annotations

import asyncio
import ctypes
import json
import os
import sys
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
NOBODY = 65534
_CLONE_NEWNS = 0x20000
_MS_BIND, _MS_REC, _MS_PRIVATE = 4096, 16384, 1 << 18


def become(user: int) -> None:
    """Another user, for good; it can reach the interpreter though that is in root's home folder."""
    homes = {Path(path).parts[1] for path in (sys.prefix, sys.base_prefix)}
    for name in homes:
        home = Path("/", name)
        if home.stat().st_mode & 0o005 != 0o005:
            _open_up(home)
    os.setgroups([])
    os.setresgid(user, user, user)
    os.setresuid(user, user, user)


def _open_up(home: Path) -> None:
    """Let everybody pass through a folder, in this process and its children only."""
    libc = ctypes.CDLL(None, use_errno=True)

    def mount(source: str, target: str, kind: str, flags: int) -> None:
        if libc.mount(source.encode(), target.encode(), kind.encode(), flags, None):
            raise OSError(ctypes.get_errno(), f"mount {source} at {target}")

    if libc.unshare(_CLONE_NEWNS):
        raise OSError(ctypes.get_errno(), "unshare")
    mount("none", "/", "none", _MS_REC | _MS_PRIVATE)
    inner = [(path.name, os.open(path, os.O_PATH)) for path in home.iterdir() if path.is_dir()]
    mount("none", str(home), "tmpfs", 0)
    home.chmod(0o755)
    for name, descriptor in inner:
        (home / name).mkdir()
        mount(f"/proc/self/fd/{descriptor}", str(home / name), "none", _MS_BIND | _MS_REC)
        os.close(descriptor)


def shadow_of(order: dict[str, Any]) -> Any:
    from shadow_mw.caps.wish import Wish
    from shadow_mw.shadows.python import PythonShadow
    from shadow_mw.targets import Target

    return PythonShadow(
        Target("c", f"python:{order['model']}"),
        sandbox=order["sandbox"],
        replicas=1,
        features="",
        max_body_bytes=100_000,
        wish=Wish(memory_bytes=order["memory_bytes"]),
    )


async def serve() -> None:
    """Orders until there are no more; those for the same model go to the same process while it lives."""
    shadows: dict[str, Any] = {}
    while line := await asyncio.to_thread(sys.stdin.readline):
        order = json.loads(line)
        which = f"{order['model']} {order['sandbox']} {order['memory_bytes']}"
        if which not in shadows:
            shadows[which] = shadow_of(order)
        sys.stdout.write(json.dumps(await _answer(shadows[which], order)) + "\n")
        sys.stdout.flush()
    for shadow in shadows.values():
        await shadow.aclose()


async def _answer(shadow: Any, order: dict[str, Any]) -> Any:
    from shadow_mw.exceptions import ShadowUnreachable
    from shadow_mw.records import CapturedRequest

    if order["features"] == "layers":
        try:
            return [[one.name, one.holds, one.why, one.is_needed] for one in await shadow.loaded()]
        except ShadowUnreachable as error:
            return str(error)
    body = json.dumps(order["features"]).encode()
    request = CapturedRequest(
        exchange_id="e", request_id="r", ts_us=0, method="POST", route="POST /p", path="/p", body=body
    )
    return await _one(shadow, request, order["timeout_seconds"])


async def _one(shadow: Any, request: Any, timeout_seconds: float) -> Any:
    from shadow_mw.exceptions import ShadowError, ShadowUnreachable

    while True:
        try:
            return json.loads((await asyncio.wait_for(shadow.ask(request, {}), timeout_seconds)).body)
        except ShadowUnreachable as error:  # noqa: PERF203 it is tried again until it answers
            if "SHADOW_SANDBOX" in str(error) or "cannot be imported" in str(error):
                return ["ShadowUnreachable", str(error)]
            await asyncio.sleep(0.05)  # the pause before the next start, of another process
        except ShadowError as error:
            return [type(error).__name__, str(error)]
        except asyncio.TimeoutError:
            return ["deadline", ""]


def main() -> None:
    sys.path.insert(0, str(HERE))
    user = int(sys.argv[1])
    if user != os.geteuid():
        become(user)
    asyncio.run(serve())


if __name__ == "__main__":
    main()
