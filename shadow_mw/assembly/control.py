"""The control: which exchanges production's own twin is asked too."""

from __future__ import annotations

from collections.abc import Callable

from shadow_mw.ids import is_sampled
from shadow_mw.records import CapturedRequest
from shadow_mw.settings import Settings


def control_share(settings: Settings) -> Callable[[CapturedRequest], bool]:
    """Whether an exchange is one of those that the control gets.

    By the exchange id: by the request id, which `SHADOW_SAMPLE_RATE` goes by, the control would be asked all
    that is sampled, or nothing of it.
    """
    routes = frozenset(map(str, settings.control_routes or settings.routes))
    rate = settings.control_rate
    return lambda request: request.route in routes and is_sampled(request.exchange_id, rate)
