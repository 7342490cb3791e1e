"""What the fuzzing tests throw at whatever reads bytes from outside."""

from __future__ import annotations

from hypothesis import strategies as st

#: Any text that JSON, an environment or a command line can bring, lone surrogates with it.
texts = st.text(max_size=30)
#: Text that stands for bytes, as headers and WSGI bring it.
latin = st.binary(max_size=60).map(lambda raw: raw.decode("latin-1"))
#: Deep, large and odd: what a hand-made generator of records would never write.
ODD_TEXTS = (
    "",
    " ",
    "\ud800",
    "\udcff",
    "%00",
    "../../etc/passwd",
    "<script>alert(1)</script>",
    "9" * 5000,
    "9" * 400 + "w",
    "99999999999w",
    "1e999",
    "nan",
    "-inf",
    "-1",
    "(" * 5000,
    "`" + "[" * 5000,
    "http://[",
    "http://[::1",
    "a=" * 2000,
    "{" * 500,
    "*" * 500,
    "٣",
    "\x1b[31m",
    "0001-01-01T00:00:00+23:59",
    "9999-12-31T23:59:59-23:59",
)
odd = st.one_of(texts, latin, st.sampled_from(ODD_TEXTS))
json_values = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(),
        st.floats(),
        texts,
        st.sampled_from([2**63, 2**64, -(2**63) - 1, 10**400, "\ud800", float("nan")]),
    ),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=12,
)


@st.composite
def mutated(draw: st.DrawFn, whole: bytes) -> bytes:
    """Bytes that were right, but for some places."""
    data = bytearray(whole)
    for _ in range(draw(st.integers(0, 4))):
        place = draw(st.integers(0, len(data)))
        kind = draw(st.sampled_from(["replace", "insert", "delete", "cut", "repeat"]))
        piece = draw(st.binary(min_size=1, max_size=8))
        if kind == "replace":
            data[place : place + len(piece)] = piece
        elif kind == "insert":
            data[place:place] = piece
        elif kind == "delete":
            del data[place : place + len(piece)]
        elif kind == "cut":
            del data[place:]
        else:
            data[place:place] = data[max(0, place - 40) : place] * draw(st.integers(1, 3))
    return bytes(data)
