"""The record of consents is append-only: no statement of ours changes or removes a word."""

from __future__ import annotations

import ast

from tests.house.project import ROOT

# A merge gives the words of one lead to the other, and an erasure takes what is personal out of them.
MAY = {"db/merge_people.py": {"lead_id"}, "db/erasure.py": None, "db/erasures.py": None}
CHANGING = ("update", "delete")


def statements(tree: ast.AST):
    """Each call `update(consents)`, `delete(consents)`, `consents.update()` or `consents.delete()`."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        name = getattr(node.func, "id", getattr(node.func, "attr", ""))
        of = node.args[0] if node.args else getattr(node.func, "value", None)
        if name in CHANGING and isinstance(of, ast.Name) and of.id == "consents":
            yield node


def columns_set(tree: ast.AST) -> set[str]:
    """What `update(consents)...values(...)` sets."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and getattr(node.func, "attr", "") == "values" and any(statements(node)):
            found |= {keyword.arg or "**" for keyword in node.keywords}
    return found


def test_nothing_changes_or_removes_a_word():
    seen = 0
    for path in sorted((ROOT / "db").rglob("*.py")):
        name = path.relative_to(ROOT).as_posix()
        text = path.read_text(encoding="utf-8")
        tree = ast.parse(text)
        assert "UPDATE consents" not in text, name
        assert "DELETE FROM consents" not in text, name
        if not list(statements(tree)):
            continue
        seen += 1
        assert name in MAY, f"{name} changes the record of consents"
        if MAY[name] is not None:
            assert columns_set(tree) == MAY[name]
    assert seen


def test_a_statement_that_changes_a_word_would_be_seen():
    tree = ast.parse("connection.execute(update(consents).where(x).values(status='granted'))\nconsents.delete()")
    assert len(list(statements(tree))) == 2
    assert columns_set(tree) == {"status"}
