"""Admission: at which addresses one shadow is asked, whatever its name comes to mean."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

from shadow_mw.exceptions import ShadowAddressRefused
from shadow_mw.networks import Network, is_public, refusal
from shadow_mw.targets import Target

_log = logging.getLogger("shadow_mw")

#: What `getaddrinfo` says of one address: family, type, protocol, canonical name, address.
Address: TypeAlias = tuple[Any, Any, int, str, Any]


class Admission:
    """Lets a shadow be asked within the networks where shadows may be. For one event loop."""

    def __init__(
        self, target: Target, networks: Sequence[Network] = (), tell: Callable[[str], None] | None = None
    ) -> None:
        """Without `networks`, anywhere but where clouds keep credentials; `tell` gets a warning, once.

        Without `tell` it is logged, unless the address stands in the settings: then the app has done so.
        """
        self._target = target
        self._networks = tuple(networks)
        self._tell = tell or _log.warning
        self._has_told = tell is None and bool(target.address)

    def __repr__(self) -> str:
        """The shadow and its networks."""
        return f"Admission({self._target.name!r}, {', '.join(map(str, self._networks)) or 'anywhere'})"

    def admitted(self, host: str, found: Sequence[Address]) -> Sequence[Address]:
        """Those of at least one address of a host that may be dialled.

        Raises:
            ShadowAddressRefused: none of them may.

        """
        reasons = [refusal(address[4][0], self._networks) for address in found]
        allowed = [address for address, reason in zip(found, reasons, strict=True) if not reason]
        if not allowed:
            raise ShadowAddressRefused(f"{host} means {reasons[0]}: not asked")
        self._tell_once(allowed)
        return allowed

    def _tell_once(self, addresses: Sequence[Address]) -> None:
        """Warn of the first address to which features travel in the clear through other people's networks."""
        public = [address[4][0] for address in addresses if is_public(address[4][0])]
        if public and self._target.is_plain and not self._has_told:
            self._has_told = True
            self._tell(self._target.in_the_clear(public[0]))
