"""Every test here has a folder for sockets of its own, so that it meets no other's mirror process."""

from process_fixtures import make_app, runtime, shadow, start

__all__ = ["make_app", "runtime", "shadow", "start"]
