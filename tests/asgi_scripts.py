"""Random ASGI apps, well-behaved or not, as lists of steps."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

octets = st.binary(max_size=40)
names = st.sampled_from([b"content-type", b"set-cookie", b"x-odd", b"content-encoding", b"content-length"])
header_lists = st.lists(st.tuples(names, octets), max_size=5)

start = st.builds(
    lambda status, headers, trailers: {
        "type": "http.response.start",
        "status": status,
        "headers": headers,
        "trailers": trailers,
    },
    st.integers(200, 599),
    header_lists,
    st.booleans(),
)
body = st.builds(
    lambda chunk, more: {"type": "http.response.body", "body": chunk, "more_body": more},
    octets,
    st.booleans(),
)
other = st.sampled_from(
    [
        {"type": "http.response.body"},
        {"type": "http.response.body", "body": b"x" * 200, "more_body": True},
        {"type": "http.response.push", "path": "/style.css", "headers": []},
        {"type": "http.response.trailers", "headers": [(b"x-sum", b"1")], "more_trailers": False},
        {"type": "http.response.pathsend", "path": "/etc/hostname"},
        {"type": "http.response.debug", "info": {}},
        {"type": "not.a.message"},
        {},
    ]
)
step = st.one_of(
    st.just("receive"),
    st.just("read all"),
    st.tuples(st.just("raise"), st.sampled_from([ValueError, KeyError, OSError, RuntimeError])),
    start,
    body,
    other,
)


def scripted(script: list[Any]) -> Any:
    """An app that does these steps, well-behaved or not."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        for one in script:
            if one == "receive":
                await receive()
            elif one == "read all":
                while (await receive()).get("more_body", False):
                    pass
            elif isinstance(one, tuple):
                raise one[1]("the app's own")
            else:
                await send({**one})

    return app
