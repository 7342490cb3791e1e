"""The choice of a shadow to look at, where nobody named one."""

from __future__ import annotations

from shadow_mw.exceptions import SettingsError, StoreError
from shadow_mw.protocols import Reader
from shadow_mw.questions.seen import seen


def shadow_names(reader: Reader) -> tuple[str, ...]:
    """The shadows in a store by name, controls left out.

    Raises:
        StoreError: the store could not be read.

    """
    return tuple(sorted({one.shadow for one in seen(reader) if one.role == "shadow"}))


def chosen_shadow(reader: Reader, name: str | None, route: str | None = None) -> str:
    """The shadow of that name, or the only one there is.

    Raises:
        SettingsError: there is no such shadow or route, or there are several and none was named.
        StoreError: the store is empty.

    """
    found = [one for one in seen(reader) if one.role == "shadow"]
    if not found:
        raise StoreError("the store is empty: no predict call has been mirrored into it yet")
    names = sorted({one.shadow for one in found})
    if name is None and len(names) > 1:
        raise SettingsError(f"the store has several shadows: name one of {', '.join(names)} with --shadow")
    if name is not None and name not in names:
        raise SettingsError(f"the store has no shadow {name!r}; it has {', '.join(names)}")
    routes = sorted({one.route for one in found if one.shadow == (name or names[0])})
    if route is not None and route not in routes:
        raise SettingsError(f"the shadow has no route {route!r}; it has {', '.join(routes)}")
    return name or names[0]
