"""Patches of libraries: put in when a library is imported, once, and taken out again for tests."""

from __future__ import annotations

import functools
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

from shadow_mw.exceptions import ShadowWriteBlocked

Undo = Callable[[], None]
#: What patches a module that has just been imported, and says how to take it back.
Apply = Callable[[Any], Undo]


class Patches:
    """The patches of several modules, for those that are imported now and those that will be. Thread-safe."""

    def __init__(self, table: Mapping[str, Apply]) -> None:
        """Take what to do to each module, by its full name."""
        self._table = dict(table)
        self._undo: dict[str, Undo] = {}
        self._finder = _Finder(self)
        self._lock = threading.RLock()

    def __repr__(self) -> str:
        """The modules that are patched."""
        return f"Patches({sorted(self._undo)})"

    def __contains__(self, name: str) -> bool:
        """True for a module that would be patched."""
        return name in self._table

    def install(self) -> None:
        """Patch what is imported, and have the rest patched when it comes. Idempotent."""
        with self._lock:
            if self._finder not in sys.meta_path:
                sys.meta_path.insert(0, self._finder)
            for name in self._table:
                module = sys.modules.get(name)
                spec = getattr(module, "__spec__", None)
                if module is not None and not getattr(spec, "_initializing", False):
                    self.patch(module)

    def remove(self) -> None:
        """Take all patches out."""
        with self._lock:
            if self._finder in sys.meta_path:
                sys.meta_path.remove(self._finder)
            while self._undo:
                self._undo.popitem()[1]()

    @contextmanager
    def installed(self) -> Iterator[None]:
        """Have the patches in for as long as this lasts; for tests."""
        self.install()
        try:
            yield
        finally:
            self.remove()

    def patch(self, module: ModuleType) -> None:
        """Patch one module, once.

        Raises:
            ShadowWriteBlocked: the module is not what we know, so that its writes could not be seen.

        """
        name = module.__name__
        with self._lock:
            if name in self._undo:
                return
            try:
                self._undo[name] = self._table[name](module)
            except Exception as error:
                raise ShadowWriteBlocked(f"the guard does not know this version of {name}") from error


class _Finder(MetaPathFinder):
    """Finds nothing itself; has a module patched as soon as whoever found it has run it."""

    def __init__(self, patches: Patches) -> None:
        self._patches = patches
        self._asking = threading.local()

    def find_spec(self, name: str, path: Any, target: ModuleType | None = None) -> ModuleSpec | None:
        if name not in self._patches or getattr(self._asking, "name", None) == name:
            return None
        self._asking.name = name
        try:
            spec = _find(name, path, target)
        finally:
            self._asking.name = None
        loader: Any = None if spec is None else spec.loader
        if loader is not None:
            self._follow(loader)
        return spec

    def _follow(self, loader: Any) -> None:
        run = loader.exec_module

        def exec_module(module: ModuleType) -> None:
            del loader.exec_module
            run(module)
            self._patches.patch(module)

        loader.exec_module = exec_module


def _find(name: str, path: Any, target: ModuleType | None) -> ModuleSpec | None:
    for finder in sys.meta_path:
        find_spec = getattr(finder, "find_spec", None)
        spec: ModuleSpec | None = None if find_spec is None else find_spec(name, path, target)
        if spec is not None:
            return spec
    return None


def replaced(owner: Any, name: str, make: Callable[[Any], Any]) -> Undo:
    """Put what `make` makes of a function of a class in its place; gives the way back."""
    original = vars(owner)[name]
    setattr(owner, name, functools.wraps(original)(make(original)))
    return lambda: setattr(owner, name, original)


def all_of(*undo: Undo) -> Undo:
    """The way back from several patches."""

    def back() -> None:
        for one in reversed(undo):
            one()

    return back
