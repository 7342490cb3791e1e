"""Values of settings: how the text of a variable becomes what the code uses."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, ByteSize, Field

from shadow_mw.captures import parse_capture
from shadow_mw.choices import parse_choices
from shadow_mw.digests import checked_key
from shadow_mw.fates import parse_entry, split_entries
from shadow_mw.networks import Network, parse_network
from shadow_mw.queue_urls import checked_queue
from shadow_mw.routes import Route, parse_route
from shadow_mw.store_urls import checked_store
from shadow_mw.targets import SELF, Target, parse_target

#: A name before a path; `==` is JMESPath's own.
_NAMED_PATH = re.compile(r"([\w .-]*?)\s*=(?!=)(.*)", re.DOTALL)

_HOST_AND_PORT = re.compile(r"([A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\]):([0-9]{1,5})")

#: The name of production's own twin in records, spans and metrics.
CONTROL = "control"


def _items(value: object) -> object:
    """Split `a, b` and one-per-line text into its items; anything that is no text stays as it is."""
    if not isinstance(value, str):
        return value
    return tuple(item.strip() for item in value.replace("\n", ",").split(",") if item.strip())


def _each(parse: Callable[[str], object]) -> Callable[[object], object]:
    def parse_items(value: object) -> object:
        items = _items([value] if isinstance(value, Route | Target) else value)
        if not isinstance(items, list | tuple):
            return items
        return tuple(parse(item) if isinstance(item, str) else item for item in items)

    return parse_items


def _lower(value: object) -> object:
    items = _items(value)
    return tuple(str(item).lower() for item in items) if isinstance(items, list | tuple) else items


def _entries(value: object) -> object:
    """Items of redaction as they are written, with their keys in lower case."""
    items = split_entries(value) if isinstance(value, str) else value
    if not isinstance(items, Iterable):
        return items
    return tuple(str(parse_entry(str(item))) for item in items if str(item).strip())


def _known_capture(text: str) -> str:
    parse_capture(text)
    return text


def _one_text(value: object) -> object:
    """Several items as one text, one a line."""
    return "\n".join(map(str, value)) if isinstance(value, list | tuple) else value


def _known_comparators(compare: str) -> str:
    parse_choices(compare)
    return compare


def parse_segments(text: str) -> dict[str, str] | None:
    """The JMESPath of each segment by its name; None for `auto`, nothing for `none`.

    Raises:
        ValueError: a path is no JMESPath, or a name stands for two.

    """
    if text.strip().lower() in ("auto", "none"):
        return None if text.strip().lower() == "auto" else {}
    paths: dict[str, str] = {}
    for item in _expressions(text):
        name, path = _named_path(item)
        if not valid_path(path) or name in paths:
            raise ValueError(
                f"{item!r} needs a path and a name of its own: write name=path, as in age=user.age"
            )
        paths[name] = path
    return paths


def _known_segments(text: str) -> str:
    parse_segments(text)
    return text


def _expressions(text: str) -> Iterator[str]:
    """The items between commas and newlines, but for those commas that stand inside a JMESPath."""
    item = ""
    for piece in re.split("[,\n]", text):
        item = f"{item},{piece}" if item else piece.strip()
        if item and _is_path(_named_path(item)[1]):
            yield item
            item = ""
    if item:
        yield item


def _named_path(item: str) -> tuple[str, str]:
    match = _NAMED_PATH.fullmatch(item)
    return (match[1], match[2].strip()) if match else (item, item)


def _is_path(expression: str) -> bool:
    try:
        return bool(valid_path(expression))
    except ValueError:
        return False


def valid_path(expression: str) -> str:
    """A JMESPath, or nothing.

    Raises:
        ValueError: it is none.

    """
    if not expression:
        return expression
    import jmespath
    from jmespath.exceptions import JMESPathError

    try:
        jmespath.compile(expression)
    except JMESPathError as error:
        raise ValueError(f"{expression!r} is not JMESPath: {str(error).splitlines()[0]}") from None
    except RecursionError:
        raise ValueError(f"{expression[:40]!r}… is nested too deep for JMESPath") from None
    return expression


def host_and_port(address: str) -> tuple[str, int]:
    """Host and port of `127.0.0.1:9464` or `[::1]:9464`; the host without its brackets.

    Raises:
        ValueError: it is not written so.

    """
    match = _HOST_AND_PORT.fullmatch(address)
    if match is None or not 0 < int(match[2]) < 2**16:
        raise ValueError(f"{address!r} is no address: write HOST:PORT, as in 127.0.0.1:9464")
    return match[1].strip("[]"), int(match[2])


def _known_address(address: str) -> str:
    if address:
        host_and_port(address)
    return address


def _control(value: object) -> object:
    """The control of `SHADOW_CONTROL`: a URL, `self`, or nothing."""
    if not isinstance(value, str):
        return value
    text = value.strip().removeprefix(f"{CONTROL}=")
    if not text:
        return None
    target = Target(CONTROL, SELF) if text == SELF else parse_target(text)
    if target.is_python:
        raise ValueError(f"{text!r} is not a second copy of production: give its URL, or self")
    return Target(CONTROL, target.url)


Targets = Annotated[tuple[Target, ...], BeforeValidator(_each(parse_target))]
Control = Annotated[Target | None, BeforeValidator(_control)]
Routes = Annotated[tuple[Route, ...], BeforeValidator(_each(parse_route))]
Networks = Annotated[tuple[Network, ...], BeforeValidator(_each(parse_network))]
Names = Annotated[tuple[str, ...], BeforeValidator(_items)]
LowerNames = Annotated[tuple[str, ...], BeforeValidator(_lower)]
Entries = Annotated[tuple[str, ...], BeforeValidator(_entries)]
CaptureText = Annotated[str, BeforeValidator(_one_text), AfterValidator(_known_capture)]
RedactKey = Annotated[str, AfterValidator(checked_key)]
Size = Annotated[ByteSize, Field(gt=0)]
ListenAddress = Annotated[str, AfterValidator(_known_address)]
QueueName = Annotated[str, AfterValidator(checked_queue)]
ComparatorNames = Annotated[str, BeforeValidator(_one_text), AfterValidator(_known_comparators)]
Segments = Annotated[str, BeforeValidator(_one_text), AfterValidator(_known_segments)]
Path = Annotated[str, AfterValidator(valid_path)]
StoreName = Annotated[str, Field(min_length=1), AfterValidator(checked_store)]
