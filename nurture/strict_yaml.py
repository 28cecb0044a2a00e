"""YAML without surprises: plain text, numbers, true/false, lists and mappings, each with its place in the file.

YAML 1.2 core rules, minus what a marketer did not mean: no anchors, aliases, tags or duplicate keys, and no value that
would be read as something else than it says. The input may come from anybody: size, depth and work are bounded.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.events import (
    AliasEvent,
    DocumentStartEvent,
    Event,
    MappingEndEvent,
    MappingStartEvent,
    NodeEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
)

from nurture.problems import Problem, Severity
from nurture.yaml_words import read_scalar, syntax_problem

MAX_BYTES = 256 * 1024
MAX_DEPTH = 40
MAX_VALUES = 20_000  # about two seconds of reading
MAX_PROBLEMS = 50

# What YAML allows in a file, but no byte order mark; a file in UTF-16 read as UTF-8 shows up by its NULs.
_UNPRINTABLE = re.compile(
    "[^\\t\\n\\r\\x20-\\x7e\\x85\\xa0-\\ud7ff\\ue000-\\ufefe\\uff00-\\ufffd\\U00010000-\\U0010ffff]"
)
_LINE_BREAK = re.compile("\\r\\n|[\\n\\r\\x85\\u2028\\u2029]")
_CUT = re.compile(r"\s+#[^\s#]")

Path = tuple[str | int, ...]
Position = tuple[int, int]


@dataclass(slots=True)
class Positions:
    """Where each key and each value stands: path from the top to (line, column), both from 1."""

    keys: dict[Path, Position] = field(default_factory=dict)
    values: dict[Path, Position] = field(default_factory=dict)

    def of(self, path: Path, key: bool = False) -> Position:
        """The place of a value, or of its key.

        A part of the path that the file leaves out is passed over: a definition may say `did: email.clicked` for
        `did: {event: [email.clicked]}`. What is not there at all has the place of the thing around it.
        """
        found: Path = ()
        for part in path:
            if (*found, part) in self.values:
                found = (*found, part)
        if key and found in self.keys and found[-1:] == path[-1:]:
            return self.keys[found]
        return self.values.get(found, (1, 1))


@dataclass(slots=True)
class Loaded:
    """A file as plain data; `data` is None when it is not `readable`.

    `doubtful` values have a problem already, `empty` names have nothing after them.
    """

    data: Any
    positions: Positions
    problems: list[Problem]
    doubtful: set[Path] = field(default_factory=set)
    empty: list[Path] = field(default_factory=list)
    readable: bool = True


class _Refused(Exception):
    """Reading cannot go on past this place."""

    def __init__(self, position: Position, code: str, message: str, remedy: str) -> None:
        super().__init__(message)
        self.position, self.code, self.message, self.remedy = position, code, message, remedy


def load_yaml(text: str, file: str) -> Loaded:
    """Read one YAML text; whatever it holds, the answer is data or problems, never an exception."""
    reader = _Reader(text, file)
    try:
        _refuse_unreadable(text)
        reader.read()
    except _Refused as refused:
        reader.add(refused.position, refused.code, refused.message, refused.remedy)
        reader.readable = False
    except MarkedYAMLError as error:
        place, start = _mark(error.problem_mark), _mark(error.context_mark)
        reader.add(*syntax_problem(reader.lines, place or start or (1, 1), start, error.problem or ""))
        reader.readable = False
    except (YAMLError, ValueError) as error:
        reader.add((1, 1), "yaml-syntax", f"the file is not YAML: {type(error).__name__}", "")
        reader.readable = False
    data = reader.top if reader.readable else None
    return Loaded(data, reader.positions, reader.problems, reader.doubtful, reader.empty, reader.readable)


def text_problem(text: str, file: str) -> Problem | None:
    """Why a text file of any kind cannot be read, or None."""
    try:
        _refuse_unreadable(text)
    except _Refused as refused:
        return Problem(file, *refused.position, refused.code, "error", refused.message, refused.remedy)
    return None


def _refuse_unreadable(text: str) -> None:
    if len(text) > MAX_BYTES or len(text.encode("utf-8", "surrogatepass")) > MAX_BYTES:
        raise _Refused(
            (1, 1), "too-large", f"the file is larger than {MAX_BYTES // 1024} KB", "split it into several files"
        )
    if text.startswith("\ufeff"):
        raise _Refused(
            (1, 1), "byte-order-mark", "the file starts with a byte order mark", "save it as UTF-8 without BOM"
        )
    found = _UNPRINTABLE.search(text)
    if found:
        before = _LINE_BREAK.split(text[: found.start()])
        raise _Refused(
            (len(before), len(before[-1]) + 1),
            "control-character",
            f"the character U+{ord(found[0]):04X} cannot stand in a text file",
            "delete it, and save the file as UTF-8",
        )


@dataclass(slots=True)
class _Open:
    """A list or mapping that has not ended yet."""

    value: Any
    path: Path
    key: str | None = None
    awaits_key: bool = True


class _Reader:
    """Builds plain data from the parser's events, one by one and without recursion."""

    def __init__(self, text: str, file: str) -> None:
        self.text = text
        self.lines = _LINE_BREAK.split(text)
        self.file = file
        self.positions = Positions()
        self.problems: list[Problem] = []
        self.doubtful: set[Path] = set()
        self.empty: list[Path] = []
        self.readable = True
        self.top: Any = None
        self.open: list[_Open] = []
        self.documents = 0
        self.count = 0

    def add(self, position: Position, code: str, message: str, remedy: str, severity: Severity = "error") -> None:
        """Note a problem."""
        if len(self.problems) < MAX_PROBLEMS:
            self.problems.append(Problem(self.file, *position, code, severity, message, remedy))

    def read(self) -> None:
        """Read to the end, or raise at the first place that makes the rest unsure."""
        for event in YAML(typ="safe", pure=True).parse(self.text):
            if isinstance(event, DocumentStartEvent):
                self._start(event)
            elif isinstance(event, NodeEvent):
                self._node(event)
            elif isinstance(event, (MappingEndEvent, SequenceEndEvent)):
                self.open.pop()

    def _start(self, event: DocumentStartEvent) -> None:
        self.documents += 1
        if self.documents > 1:
            raise _Refused(
                _place(event),
                "several-documents",
                "`---` starts a second document in the same file",
                "keep one definition in each file",
            )
        if event.version or event.tags:
            raise _Refused(
                (1, 1), "yaml-directive", "a line that starts with `%` changes how YAML is read", "delete that line"
            )

    def _node(self, event: Any) -> None:
        place = _place(event)
        self.count += 1
        if self.count > MAX_VALUES:
            raise _Refused(
                place,
                "too-large",
                f"the file has more than {MAX_VALUES} names and values",
                "split it into several files",
            )
        if isinstance(event, AliasEvent):
            raise _Refused(
                place, "yaml-alias", f"`*{event.anchor}` repeats another part of the file", "write the part out again"
            )
        if event.anchor:
            raise _Refused(
                place,
                "yaml-anchor",
                f"`&{event.anchor}` names a part for repetition",
                "delete it, and write repeated parts out",
            )
        if event.tag:
            raise _Refused(
                place,
                "yaml-tag",
                "a word that starts with `!` tells YAML to build something",
                "delete it; put quotes round a text that starts with `!`",
            )
        if self._is_template(place):
            raise _Refused(
                place,
                "unquoted-template",
                "`{{` starts a mapping in YAML, not a template",
                'put quotes round templates: "{{ ... }}"',
            )
        if self.open and isinstance(self.open[-1].value, dict) and self.open[-1].awaits_key:
            self._key(event, place)
        else:
            self._value(event, place)

    def _is_template(self, place: Position) -> bool:
        line = self.lines[place[0] - 1] if place[0] <= len(self.lines) else ""
        return line[place[1] - 1 : place[1] + 1] == "{{"

    def _key(self, event: Any, place: Position) -> None:
        frame = self.open[-1]
        if not isinstance(event, ScalarEvent):
            raise _Refused(
                place,
                "key-not-text",
                "a list or mapping stands where a name is expected",
                "put quotes round a text that has `{`, `[` or `?` in it",
            )
        key = event.value
        if key == "<<" and event.style is None:
            raise _Refused(place, "yaml-merge", "`<<` would copy another part of the file", "write the part out again")
        value, doubt = read_scalar(key) if event.style is None else (key, None)
        if not isinstance(value, str) or doubt:
            self.add(
                place,
                "key-not-text",
                f"the name `{key}` would be read as something else than text",
                f'put quotes round it: "{key}"',
            )
        path = (*frame.path, key)
        if key in frame.value:
            first = self.positions.keys[path]
            self.add(
                place,
                "duplicate-key",
                f"`{key}` stands here twice; the first is in line {first[0]}",
                "keep one of them",
            )
            self.doubtful.add(path)
        else:
            self.positions.keys[path] = place
        frame.key, frame.awaits_key = key, False

    def _value(self, event: Any, place: Position) -> None:
        path = self._path()
        if isinstance(event, ScalarEvent):
            value: Any = event.value
            if event.style is None:
                value, doubt = read_scalar(event.value)
                if doubt:
                    self.add(place, "ambiguous-value", doubt.message, doubt.remedy)
                    self.doubtful.add(path)
                self._cut_by_comment(event)
            if value is None and path and isinstance(path[-1], str):
                self.empty.append(path)
        else:
            value = {} if isinstance(event, MappingStartEvent) else []
        self._put(path, value, place)
        if isinstance(event, (MappingStartEvent, SequenceStartEvent)):
            if len(self.open) >= MAX_DEPTH:
                raise _Refused(
                    place,
                    "too-deep",
                    f"more than {MAX_DEPTH} levels of lists and mappings",
                    "put the parts into fewer levels",
                )
            self.open.append(_Open(value, path))

    def _cut_by_comment(self, event: ScalarEvent) -> None:
        line, column = event.end_mark.line, event.end_mark.column
        rest = self.lines[line][column:] if event.value and line < len(self.lines) else ""
        if _CUT.match(rest):
            self.add(
                (line + 1, column + len(rest) - len(rest.lstrip()) + 1),
                "cut-by-comment",
                "`#` after a space starts a comment, and the text ends before it",
                "put quotes round the whole text; a comment has a space after its `#`",
                "warning",
            )

    def _path(self) -> Path:
        if not self.open:
            return ()
        frame = self.open[-1]
        return (*frame.path, len(frame.value) if isinstance(frame.value, list) else str(frame.key))

    def _put(self, path: Path, value: Any, place: Position) -> None:
        self.positions.values.setdefault(path, place)
        if not self.open:
            self.top = value
            return
        frame = self.open[-1]
        if isinstance(frame.value, list):
            frame.value.append(value)
        else:
            frame.value.setdefault(frame.key, value)
            frame.awaits_key = True


def _place(event: Event) -> Position:
    return event.start_mark.line + 1, event.start_mark.column + 1


def _mark(mark: Any) -> Position | None:
    return (mark.line + 1, mark.column + 1) if mark else None
