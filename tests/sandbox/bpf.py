"""The kernel's BPF machine, as far as filters use it; so that a filter runs for any architecture."""

from __future__ import annotations

import struct

ALLOWED = 0
_ALLOW, _REFUSE, _DATA = 0x7FFF0000, 0x00050000, 0xFFFF


def run(code: list[tuple[int, int, int, int]], machine: int, number: int, *arguments: int) -> int:
    """The errno that a filter gives a system call; 0 when it is let through."""
    filled = [argument & (2**64 - 1) for argument in (*arguments, 0, 0, 0, 0, 0, 0)[:6]]
    data = struct.pack("<IIQ6Q", number & 0xFFFFFFFF, machine, 0, *filled)
    accumulator = at = 0
    while True:
        operation, if_true, if_false, value = code[at]
        at += 1
        if operation == 0x20:
            [accumulator] = struct.unpack_from("<I", data, value)
        elif operation == 0x54:
            accumulator &= value
        elif operation == 0x06:
            assert value == _ALLOW or value & ~_DATA == _REFUSE
            return ALLOWED if value == _ALLOW else value & _DATA
        else:
            is_true = {
                0x15: accumulator == value,
                0x25: accumulator > value,
                0x45: bool(accumulator & value),
            }[operation]
            at += if_true if is_true else if_false
