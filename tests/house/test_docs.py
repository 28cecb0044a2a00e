"""The words: commands, settings, errors and options stand in the documents, and what the documents show works."""

from __future__ import annotations

import inspect
import json
import re
import shlex
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cyclopts import App, CycloptsError
from pydantic import BaseModel, SecretStr, TypeAdapter
from pydantic_core import PydanticUndefined

import db.engine
from cli.main import app
from nurture import errors
from nurture.check import check_documents
from nurture.conditions import Condition, Part
from nurture.definitions.emails import EmailParts, EmailSource
from nurture.problems import as_text
from nurture.strict_yaml import load_yaml
from tasks.definition_files import load_tree
from tasks.settings import FolderSourceSettings, HttpSourceSettings, ImapSourceSettings, Settings, load_settings
from tests.house.project import ROOT, WORKSHOPS, declared_rooms

ROOMS = sorted({*declared_rooms(), *WORKSHOPS, "templates"})
PAGES = [
    ROOT / "README.md",
    *sorted((ROOT / "docs").rglob("*.md")),
    *sorted(path for room in ROOMS for path in (ROOT / room).rglob("README.md")),
]
FENCE = re.compile(r"^ *```(\w*)\n(.*?)^ *```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\(([^)\s]+)\)")
# A path that names a file of ours; `<name>` and `...` stand for many.
OUR_FILE = re.compile(rf"(?<![\w/.-])((?:{'|'.join(ROOMS)}|docs)/[\w./-]+\.(?:py|yaml|md|html|txt|j2))(?![\w/])")
# Parts of modules that have no page of their own.
NO_CONNECTOR = {
    "__init__",
    "api_session",
    "aws_signature",
    "base",
    "bodies",
    "csv_file",
    "files",
    "http_api",
    "jsonl_file",
    "mail_parts",
    "parquet_file",
    "payloads",
    "smtp_wire",
    "sns",
}
each_page = pytest.mark.parametrize("page", PAGES, ids=lambda path: str(path.relative_to(ROOT)))


def text_of(*names: str) -> str:
    """Pages as one text; without names all of them."""
    return "\n".join(path.read_text(encoding="utf-8") for path in ([ROOT / name for name in names] or PAGES))


def blocks(page: Path, language: str) -> list[str]:
    """The fenced blocks of a page in one language."""
    return [body for kind, body in FENCE.findall(page.read_text(encoding="utf-8")) if kind == language]


def spans(text: str) -> list[str]:
    """What stands between single backticks outside of fences, each in one line."""
    return [" ".join(span.split()) for span in re.findall(r"`([^`]+)`", FENCE.sub("", text))]


def shell_lines(page: Path) -> list[list[str]]:
    """The words of every line of a page's shell blocks; variables before a command are left out."""
    lines = [shlex.split(line, comments=True) for block in blocks(page, "sh") for line in block.splitlines()]
    return [line for line in ([w for w in words if not re.match(r"[A-Z_]+=", w)] for words in lines) if line]


# --- Commands ---------------------------------------------------------------------------------------------------------


def commands(parent: App, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Every command with its function, by the words after `ripen`."""
    for name in parent:
        if not name.startswith("-"):
            child = parent[name]
            if child.default_command is not None:
                yield (*path, name), child.default_command
            yield from commands(child, (*path, name))


def refused(words: list[str]) -> str | None:
    """Why the command line does not take these words after `ripen`; capitals stand for a number or a name."""
    if any(tuple(words) == path[: len(words)] for path, _ in commands(app)):
        return None  # the mere name of a command
    try:
        app.parse_args([re.sub(r"^[A-Z]{2,}$", "1", word) for word in words], print_error=False, exit_on_error=False)
    except CycloptsError as error:
        return f"ripen {' '.join(words)}: {error}"
    return None


def is_command(words: list[str], path: tuple[str, ...]) -> bool:
    """Whether the words call the command itself, not one below it."""
    if tuple(words[: len(path)]) != path:
        return False
    deeper = {known[: len(path) + 1] for known, _ in commands(app) if len(known) > len(path)}
    return tuple(words[: len(path) + 1]) not in deeper


def test_the_quickstart_has_an_example_of_every_command() -> None:
    shown = [words[1:] for words in shell_lines(ROOT / "docs" / "quickstart.md") if words[0] == "ripen"]
    missing = [
        f"ripen {' '.join(path)}" for path, _ in commands(app) if not any(is_command(words, path) for words in shown)
    ]
    assert missing == []


@each_page
def test_every_command_line_of_a_page_is_one_that_ripen_takes(page: Path) -> None:
    shown = [words[1:] for words in shell_lines(page) if words[0] == "ripen"]
    shown += [shlex.split(span)[1:] for span in spans(page.read_text(encoding="utf-8")) if span.startswith("ripen ")]
    assert [wrong for words in shown if (wrong := refused(words))] == []


def test_every_command_helps_with_an_example_that_it_takes() -> None:
    wrong = []
    for path, function in commands(app):
        examples = re.findall(r"`([^`]+)`", (inspect.getdoc(function) or "").partition("Example:")[2])
        lines = [shlex.split(part) for example in examples for part in example.split("&&")]
        own = [words[1:] for words in lines if words[:1] == ["ripen"]]
        if not any(is_command(words, path) for words in own):
            wrong.append(f"ripen {' '.join(path)}: no example")
        wrong += [each for words in own if (each := refused(words))]
    assert wrong == []


@each_page
def test_every_make_target_of_a_page_exists(page: Path) -> None:
    targets = set(re.findall(r"^(\w+):.*##", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    called = [words[1] for words in shell_lines(page) if words[0] == "make" and len(words) > 1]
    called += re.findall(r"`make (\w+)", page.read_text(encoding="utf-8"))
    assert set(called) <= targets


# --- Settings and errors ----------------------------------------------------------------------------------------------


def settings_of(model: type[BaseModel], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Every setting by its dotted name, with its default."""
    for name, field in model.model_fields.items():
        inner = field.annotation
        if isinstance(inner, type) and issubclass(inner, BaseModel):
            yield from settings_of(inner, f"{prefix}{name}.")
        else:
            yield prefix + name, field.get_default(call_default_factory=True)


def shown_default(value: Any) -> str:
    """A default as the page writes it."""
    if value is None or value is PydanticUndefined or isinstance(value, SecretStr) or value == []:
        return "none"
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    return f"`{value:g}`" if isinstance(value, float) else f"`{value}`"


def settings_page() -> str:
    return text_of("docs/settings.md")


@pytest.mark.parametrize(("name", "default"), list(settings_of(Settings)))
def test_every_setting_stands_on_the_page_with_variable_and_default(name: str, default: Any) -> None:
    row = re.search(rf"^\| `{re.escape(name)}` \| (.*)$", settings_page(), re.MULTILINE)
    assert row, f"docs/settings.md does not have `{name}`"
    variable, shown, means = (cell.strip() for cell in row[1].rstrip("| ").split(" | ", 2))
    assert variable == f"`RIPEN_{name.upper().replace('.', '__')}`"
    # The database has a default that depends on the workspace; an empty text shows as a word.
    expected = {"database_url": "none", "sender.title": "empty", "sender.phone": "empty"}.get(name)
    assert shown == (expected or shown_default(default))
    assert means


@pytest.mark.parametrize("source", [FolderSourceSettings, HttpSourceSettings, ImapSourceSettings])
def test_every_setting_of_a_source_stands_on_the_page(source: type[BaseModel]) -> None:
    rows = settings_page()
    wanted = [f"| `{name}` | {shown_default(default)} |" for name, default in settings_of(source)]
    assert [row for row in wanted if row not in rows] == []


def test_every_setting_by_environment_alone_stands_on_the_page() -> None:
    sources = [
        path.read_text(encoding="utf-8") for room in sorted(declared_rooms()) for path in (ROOT / room).rglob("*.py")
    ]
    read = set(re.findall(r"environ(?:\.get\(|\[)\"(RIPEN_\w+)\"", "\n".join(sources)))
    assert read
    assert {name for name in read if f"`{name}`" not in settings_page()} == set()


def test_every_error_stands_on_the_page_with_what_to_do() -> None:
    page = text_of("docs/errors.md")
    named = [each for _, each in inspect.getmembers(errors, inspect.isclass) if issubclass(each, errors.RipenError)]
    missing = [each.__name__ for each in [*named, db.engine.DatabaseFailed] if f"| `{each.__name__}` |" not in page]
    assert missing == []


@each_page
def test_every_settings_example_can_be_loaded(page: Path, tmp_path: Path) -> None:
    for number, block in enumerate(blocks(page, "toml")):
        assert set(tomllib.loads(block)) <= set(Settings.model_fields)
        home = tmp_path / str(number)
        home.mkdir()
        (home / "ripen.toml").write_text(block, encoding="utf-8")
        assert load_settings(home).home == home


@each_page
def test_every_json_example_is_json(page: Path) -> None:
    for block in blocks(page, "json"):
        json.loads(block)


# --- Definitions ------------------------------------------------------------------------------------------------------


def parts(model: type[Part] = Part) -> Iterator[type[Part]]:
    """Everything that a marketer can write, the e-mail's inner form aside."""
    for each in model.__subclasses__():
        if each.__module__.startswith("nurture.") and each not in (EmailSource, EmailParts):
            yield each
        yield from parts(each)


@pytest.mark.parametrize("part", sorted(set(parts()), key=lambda each: each.__name__), ids=lambda each: each.__name__)
def test_every_option_stands_in_the_reference(part: type[Part]) -> None:
    page = text_of("docs/definitions.md")
    in_code = "\n".join([*spans(page), *(body for _, body in FENCE.findall(page))])
    names = {field.alias or name for name, field in part.model_fields.items()}
    assert {name for name in names if not re.search(rf"(?<![\w-]){re.escape(name)}(?![\w-])", in_code)} == set()


def definition_examples() -> list[tuple[str, str]]:
    """The examples that say which file they are, as (path in templates, text)."""
    found = []
    for page in PAGES:
        for block in blocks(page, "yaml"):
            first = re.match(r"# templates/(\S+)\n", block)
            if first:
                found.append((first[1], block))
    return found


EXAMPLES = definition_examples()


@pytest.mark.parametrize(("path", "text"), EXAMPLES, ids=[path for path, _ in EXAMPLES])
def test_every_definition_example_checks_clean(path: str, text: str) -> None:
    tree = {**load_tree(ROOT / "templates"), path: text}
    assert [str(each) for each in check_documents(tree).errors if each.file == path] == []


def test_every_condition_of_the_reference_is_one() -> None:
    lists = [block for page in PAGES for block in blocks(page, "yaml") if block.startswith("# conditions\n")]
    assert lists
    for block in lists:
        loaded = load_yaml(block, "conditions.yaml")
        assert loaded.problems == []
        for each in loaded.data:
            TypeAdapter(Condition).validate_python(each)


@each_page
def test_every_yaml_example_says_what_it_is(page: Path) -> None:
    if page == ROOT / "templates" / "README.md":
        return  # it shows fragments of conditions
    unnamed = [block for block in blocks(page, "yaml") if not re.match(r"# (templates/\S+|conditions)\n", block)]
    assert unnamed == []


# --- Rooms, files and links -------------------------------------------------------------------------------------------


def test_every_connector_has_a_page() -> None:
    modules = {path.stem for path in (ROOT / "connectors").rglob("*.py")} - NO_CONNECTOR
    assert {name for name in modules if not (ROOT / "docs" / "connectors" / f"{name}.md").is_file()} == set()


@each_page
def test_every_file_that_a_page_names_exists(page: Path) -> None:
    named = set(OUR_FILE.findall(FENCE.sub("", page.read_text(encoding="utf-8"))))
    shown = {f"templates/{path}" for path, _ in EXAMPLES}
    assert {
        name for name in named - shown if not (ROOT / name).is_file() and not (page.parent / name).is_file()
    } == set()


def anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ +(.*)$", FENCE.sub("", page.read_text(encoding="utf-8")), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


@each_page
def test_every_link_leads_somewhere(page: Path) -> None:
    lost = []
    for link in LINK.findall(FENCE.sub("", page.read_text(encoding="utf-8"))):
        if "://" in link:
            continue
        name, _, anchor = link.partition("#")
        target = (page.parent / name).resolve() if name else page
        if not target.exists() or (anchor and anchor not in anchors(target)):
            lost.append(link)
    assert lost == []


def test_every_decision_is_in_the_list_and_numbered_once() -> None:
    folder = ROOT / "docs" / "decisions"
    pages = sorted(path.name for path in folder.glob("[0-9]*.md"))
    listed = LINK.findall((folder / "README.md").read_text(encoding="utf-8"))
    assert listed == pages
    assert [int(name[:4]) for name in pages] == list(range(1, len(pages) + 1))


@each_page
def test_a_page_speaks_of_the_product_alone(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    assert re.findall(r"/(?:home|root|tmp|work|Users)/\S+", text) == []


def test_the_error_that_the_readme_shows_is_the_one_that_a_typo_gives() -> None:
    shown = next(body for _, body in FENCE.findall(text_of("README.md")) if "error unknown-event" in body)
    path = "sequences/white-paper-nurture.yaml"
    tree = load_tree(ROOT / "templates")
    tree[path] = tree[path].replace("until: email.clicked,", "until: email.clickd,", 1)
    assert " ".join(shown.split()) == as_text(check_documents(tree).errors, "templates/")
