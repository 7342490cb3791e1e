"""The cgroup below which we may make cgroups of our own. Linux, version 2."""

from __future__ import annotations

import os
from pathlib import Path

from shadow_mw.caps.hierarchy import own_folder

#: The first cgroup namespace of a machine; whoever is in another one sees its container's cgroups only.
_FIRST_NAMESPACE = "cgroup:[4026531835]"
#: systemd marks with these what it has handed over (`Delegate=yes`).
_MARKS = ("user.delegate", "trusted.delegate")


def delegated_folder(place: str) -> Path:
    """The folder of the cgroup that `SHADOW_CGROUP` names, or for `auto` the one delegated to the app.

    That is the parent of the app's own: a cgroup with processes in it can hand no controller to those below.

    Raises:
        OSError: there is none; the message says why.

    """
    if place == "off":
        raise OSError("SHADOW_CGROUP is off")
    if place != "auto":
        if not (Path(place) / "cgroup.subtree_control").exists():
            raise OSError(f"SHADOW_CGROUP is {place}, which is no cgroup of version 2")
        return Path(place)
    own = own_folder()
    if own is None:
        raise OSError("there is no cgroup of version 2 here")
    if is_delegated(own.parent):
        return own.parent
    if is_delegated(own):
        raise OSError(f"the app is in the delegated cgroup {own} itself: start it in one below")
    raise OSError("no cgroup is delegated to the app")


def is_delegated(folder: Path) -> bool:
    """True where a cgroup is ours to divide, and not merely open to us because we are root."""
    if not (folder / "cgroup.subtree_control").exists() or not os.access(folder, os.W_OK):
        return False
    if _is_contained() or any(_has_mark(folder, mark) for mark in _MARKS):
        return True
    return os.geteuid() != 0 and folder.stat().st_uid == os.geteuid()


def _is_contained() -> bool:
    try:
        return os.readlink("/proc/self/ns/cgroup") != _FIRST_NAMESPACE
    except OSError:
        return False


def _has_mark(folder: Path, mark: str) -> bool:
    try:
        return os.getxattr(folder, mark) == b"1"
    except OSError:
        return False
