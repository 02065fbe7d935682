"""YAML and JSON that somebody else wrote, read within bounds.

The size, the depth, the number of values (what an alias stands for counted each time) and the
digits of numbers are looked at before anything is built: the parsers recurse in C, a small text
can stand for a large document, and some numbers cost the square of their length to read.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import islice
from typing import Annotated, Any, TypeVar

import msgspec
import yaml
from yaml.constructor import ConstructorError, SafeConstructor

from nunatak.errors import InvalidArgument, LimitExceeded

TEXT_LIMIT_CHARS = 1_000_000
DEPTH_LIMIT = 64
"""Most mappings and lists inside of each other; documents of the clients have less than ten."""
_DIRECTIVES_LIMIT = 10
_DIGITS_LIMIT = 64
_LARGEST_NUMBER = 2**64
T = TypeVar("T")
Text = Annotated[str, msgspec.Meta(pattern=r"\S")]
"""The type of an entry that must be a text with something in it."""
_TYPES = {
    "str": "a text",
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "object": "a map",
    "array": "a list",
    "null": "null",
}
_PLACE = re.compile(r"(.*?)(?: - at (`key` in )?`\$(.*)`)?\Z", re.DOTALL)
_PART = re.compile(r"Object (missing required|contains unknown) field `(.*)`\Z", re.DOTALL)
_EXPECTED = re.compile(r"Expected `([^`]*)`(.*?)(?:, got `([^`]*)`)?\Z", re.DOTALL)
_NOT_EMPTY = frozenset({r" matching regex '\\S'", " of length >= 1"})
_MARKS = re.compile(r'"(?:[^"\\]++|\\.)*+(?:"|\Z)|[\[{]|[\]}]', re.DOTALL)


@dataclass(frozen=True, slots=True)
class Bounds:
    """The bounds of a document: characters of its text, and values in it."""

    chars: int = TEXT_LIMIT_CHARS
    values: int = 10_000


class _Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
    """PyYAML's safe loader, with numbers of at most 64 bits."""

    def whole_number(self, node: yaml.ScalarNode) -> int:
        """Longer ones cost the square of their length, and hashes of larger ones collide."""
        if len(node.value) > _DIGITS_LIMIT:
            raise _long_number(node)
        number: int = SafeConstructor.construct_yaml_int(self, node)
        if abs(number) >= _LARGEST_NUMBER:
            raise _long_number(node)
        return number

    def real_number(self, node: yaml.ScalarNode) -> float:
        """As `whole_number`, by the length alone."""
        if len(node.value) > _DIGITS_LIMIT:
            raise _long_number(node)
        number: float = SafeConstructor.construct_yaml_float(self, node)
        return number


_Loader.add_constructor("tag:yaml.org,2002:int", _Loader.whole_number)
_Loader.add_constructor("tag:yaml.org,2002:float", _Loader.real_number)


def _long_number(node: yaml.ScalarNode) -> ConstructorError:
    return ConstructorError(None, None, "a number has more than 64 bits", node.start_mark)


def load_yaml(text: str, title: str, *, bounds: Bounds = Bounds()) -> Any:
    """Contents of a YAML text. Raises InvalidArgument for one that is not valid, LimitExceeded
    beyond the bounds; `title` names the document there."""
    _check_chars(text, title, bounds)
    lines = (line.lstrip("\ufeff") for line in text.splitlines())
    directives = (line for line in lines if line.startswith("%"))
    if next(islice(directives, _DIRECTIVES_LIMIT, None), None) is not None:
        raise LimitExceeded(f"{title} has more than {_DIRECTIVES_LIMIT} lines that begin with %.")
    try:
        _check_events(yaml.parse(text, Loader=_Loader), title, bounds)
        # S506: the loader is one of PyYAML's two safe ones.
        return yaml.load(text, Loader=_Loader)  # noqa: S506
    except (yaml.YAMLError, ValueError, LookupError, AttributeError, TypeError) as error:
        # An explicit tag makes a constructor trip over a value that is none of its type.
        raise InvalidArgument(f"{title} is not valid YAML: {error}") from error


def load_json(text: str, title: str, *, bounds: Bounds = Bounds()) -> Any:
    """Contents of a JSON text. Raises InvalidArgument for one that is not valid, LimitExceeded
    beyond the bounds; `title` names the document there."""
    _check_chars(text, title, bounds)
    depth = 0
    for mark in _MARKS.finditer(text):
        if mark[0] in "[{":
            depth += 1
            _check_depth(depth, title)
        elif mark[0] in "]}":
            depth -= 1
    try:
        return json.loads(text)
    except ValueError as error:
        raise InvalidArgument(f"{title} is not valid JSON: {error}.") from error


def typed(document: object, structure: type[T], title: str) -> T:
    """Structure of what was loaded. Raises InvalidArgument, which names the document by `title` and
    the entry by its path, as in `spec.containers[0].image`."""
    try:
        return msgspec.convert(document, structure)
    except msgspec.ValidationError as error:
        raise InvalidArgument(f"{title}{_told(str(error))}") from error


def _told(text: str) -> str:
    """An error of msgspec in words that lead with the entry, to follow a document's title."""
    found = _PLACE.match(text)
    assert found is not None, "the pattern takes every text"
    said, path = found[1], (found[3] or "").removeprefix(".")
    if part := _PART.match(said):
        place = f"{path}.{part[2]}" if path else part[2]
        return f": '{place}' {'is missing' if part[1].startswith('m') else 'is not known here'}."
    start = f": '{path}'" if path else ""
    if found[2]:
        start = f": a key of '{path}'" if path else ": a key"
    expected = _EXPECTED.match(said)
    if expected is None:
        return f"{start}: {said}."
    names = [name for name in expected[1].split(" | ") if name != "null"] or ["null"]
    wanted = " or ".join(_TYPES.get(name, name) for name in names)
    more = " that is not empty" if expected[2] in _NOT_EMPTY else expected[2]
    got = f", not {_TYPES.get(expected[3], expected[3])}" if expected[3] else ""
    return f"{start} must be {wanted}{more}{got}."


def _check_chars(text: str, title: str, bounds: Bounds) -> None:
    if len(text) > bounds.chars:
        raise LimitExceeded(f"{title} has {len(text)} characters; at most {bounds.chars} are read.")


def _check_depth(depth: int, title: str) -> None:
    if depth > DEPTH_LIMIT:
        raise LimitExceeded(f"{title} is nested too deeply: at most {DEPTH_LIMIT} levels are read.")


def _check_events(events: Iterable[yaml.Event], title: str, bounds: Bounds) -> None:
    """Walk through the parser's events, which come one at a time and without recursion."""
    values = 0
    sizes: dict[str, int] = {}
    open_nodes: list[tuple[str | None, int]] = []
    for event in events:
        match event:
            case yaml.AliasEvent():
                if event.anchor not in sizes:
                    raise InvalidArgument(
                        f"{title} is not valid YAML: the alias *{event.anchor} stands before or "
                        "inside of what it names."
                    )
                values += sizes[event.anchor]
            case yaml.CollectionStartEvent():
                open_nodes.append((event.anchor, values))
                values += 1
                _check_depth(len(open_nodes), title)
            case yaml.CollectionEndEvent():
                anchor, before = open_nodes.pop()
                if anchor is not None:
                    sizes[anchor] = values - before
            case yaml.ScalarEvent():
                values += 1
                if event.anchor is not None:
                    sizes[event.anchor] = 1
        if values > bounds.values:
            raise LimitExceeded(f"{title} is too large: at most {bounds.values} values are read.")
