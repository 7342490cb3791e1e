"""Completions: the chunks of a streamed answer in OpenAI's form, as the answer that is not streamed."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from shadow_mw.exceptions import PayloadError

_CHUNK = "chat.completion.chunk"
#: What is one text in several chunks, or a list in several; of all else the latest that is not null counts.
_GROWING = {"delta": "message", "text": "text", "logprobs": "logprobs"}
#: Names that a server may say again in each chunk; any other text goes on where it ended.
_ONCE = frozenset({"id", "role", "type"})


class _Text(list[str]):
    """A text in the making: its pieces."""


class _Items:
    """A list in the making: items that say their index go on, all others are new."""

    def __init__(self) -> None:
        self._items: dict[int, Any] = {}
        self._free = 0

    def add(self, item: Any) -> None:
        index = _index_of(item, self._free)
        self._items[index] = _grown(self._items.get(index), item, "")
        self._free = max(self._free, index + 1)

    def settled(self) -> list[Any]:
        return [_without_index(_settled(self._items[index])) for index in sorted(self._items)]


def are_chunks(values: Iterable[Any]) -> bool:
    """Whether these are the events of a completion: one is enough, for others may have arrived broken."""
    return any(map(_is_chunk, values))


def completion(chunks: Iterable[Any], *, is_done: bool) -> dict[str, Any]:
    """The answer that the chunks make up; `is_done` where `[DONE]` came after them.

    Texts and arguments of tool calls are joined. Choices and tool calls are in the order of their index. Of
    what a chunk says of the whole (`usage`, `model`) the latest counts.

    Raises:
        PayloadError: a chunk is an error or no object, or the last ones are missing.

    """
    whole: dict[str, Any] = {}
    choices: dict[int, dict[str, Any]] = {}
    for chunk in chunks:
        if not isinstance(chunk, dict):
            raise PayloadError("an event of the streamed completion is no JSON object")
        if chunk.get("error"):
            raise PayloadError("the event stream ends with an error of the model server")
        for choice in _choices(chunk):
            _add_choice(choices.setdefault(_index_of(choice, 0), {}), choice)
        _add_latest(whole, {key: value for key, value in chunk.items() if key != "choices"})
    if not (is_done or (choices and all(choice.get("finish_reason") for choice in choices.values()))):
        raise PayloadError("the event stream is cut: neither [DONE] nor a finish_reason came")
    whole["choices"] = [_settled(choices[index]) for index in sorted(choices)]
    if whole.get("object") == _CHUNK:
        whole["object"] = _CHUNK.removesuffix(".chunk")
    return whole


def _is_chunk(value: Any) -> bool:
    if not isinstance(value, dict):
        return False
    return value.get("object") == _CHUNK or any(
        "delta" in choice or "text" in choice for choice in _choices(value)
    )


def _choices(value: dict[str, Any]) -> list[dict[str, Any]]:
    choices = value.get("choices")
    return [choice for choice in choices if isinstance(choice, dict)] if isinstance(choices, list) else []


def _index_of(item: Any, otherwise: int) -> int:
    index = item.get("index") if isinstance(item, dict) else None
    return index if type(index) is int else otherwise


def _add_choice(known: dict[str, Any], choice: dict[str, Any]) -> None:
    for key, grown in _GROWING.items():
        if key in choice:
            known[grown] = _grown(known.get(grown), choice[key], grown)
    _add_latest(known, {key: value for key, value in choice.items() if key not in _GROWING})


def _add_latest(known: dict[str, Any], fields: dict[str, Any]) -> None:
    known.update({key: value for key, value in fields.items() if value is not None or key not in known})


def _grown(known: Any, more: Any, key: str) -> Any:
    """What is known, with what comes next. Texts and lists stay in the making: no piece is copied twice."""
    if more is None:
        return known
    if isinstance(more, dict):
        fields = known if isinstance(known, dict) else {}
        fields.update({name: _grown(fields.get(name), value, name) for name, value in more.items()})
        return fields
    if isinstance(more, list):
        items = known if isinstance(known, _Items) else _Items()
        for item in more:
            items.add(item)
        return items
    if key in _ONCE:
        return known or more
    return _longer(known, more) if isinstance(more, str) else more


def _longer(known: Any, more: str) -> _Text:
    text = known if isinstance(known, _Text) else _Text()
    text.append(more)
    return text


def _settled(value: Any) -> Any:
    if isinstance(value, _Text):
        return "".join(value)
    if isinstance(value, _Items):
        return value.settled()
    return {key: _settled(part) for key, part in value.items()} if isinstance(value, dict) else value


def _without_index(item: Any) -> Any:
    return {key: part for key, part in item.items() if key != "index"} if isinstance(item, dict) else item
