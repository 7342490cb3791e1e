"""Production itself as its own control: asked once more, where its server says that it is."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from urllib.parse import urlsplit

import msgspec

from shadow_mw.exceptions import ShadowUnreachable
from shadow_mw.protocols import Shadow
from shadow_mw.records import Answer, CapturedRequest

#: An app behind more addresses than this is asked at the first ones only.
_MAX_ADDRESSES = 16


class ProductionItself:
    """The server that a request came to, asked the same once more; the mark keeps it from being mirrored."""

    def __init__(self, make: Callable[[str], Shadow]) -> None:
        """`make` gives the shadow at an address such as `http://127.0.0.1:8000`."""
        self._make = make
        self._shadows: dict[str, Shadow] = {}

    def __repr__(self) -> str:
        """The addresses that were asked."""
        return f"ProductionItself({list(self._shadows)})"

    async def ask(self, request: CapturedRequest, headers: Mapping[str, str]) -> Answer:
        """Production's second answer.

        Raises:
            ShadowUnreachable: its server does not tell its address, or can't be reached there.
            ShadowError: as the client at that address raises it.

        """
        if not request.address:
            raise ShadowUnreachable(
                "production's server does not tell its address, as on a unix socket: "
                "give the URL in SHADOW_CONTROL"
            )
        parts = urlsplit(request.address)
        shadow = self._at(f"{parts.scheme}://{parts.netloc}")
        return await shadow.ask(msgspec.structs.replace(request, path=parts.path + request.path), headers)

    async def aclose(self) -> None:
        """Give all connections back."""
        for shadow in self._shadows.values():
            await shadow.aclose()

    def _at(self, address: str) -> Shadow:
        if address not in self._shadows:
            if len(self._shadows) >= _MAX_ADDRESSES:
                raise ShadowUnreachable(f"production has more than {_MAX_ADDRESSES} addresses")
            self._shadows[address] = self._make(address)
        return self._shadows[address]
