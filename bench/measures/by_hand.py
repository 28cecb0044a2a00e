"""Everybody's points in SQL written by hand for the benchmark's rules alone: the same rows, and nothing else.

It knows what Ripen reads from the definitions: how many ways of fading there are, which types are counted by the month,
which rule asks for a property. It judges no machine, derives no event, keeps no queue, and takes all leads in one go.
"""

from __future__ import annotations

from string import Template
from typing import Any

from bench.business import NOW, documents
from bench.cost import Meter
from bench.stores import Store
from db.types import to_microseconds

_DAY = 86_400.0
_TABLES = (
    "CREATE TABLE by_hand (lead_id BIGINT, rule TEXT, kind TEXT, dimension TEXT, events BIGINT, raw_points FLOAT,"
    " points FLOAT, last_at $instant, PRIMARY KEY (lead_id, rule, kind))",
    "CREATE TABLE by_hand_scores (lead_id BIGINT PRIMARY KEY, interest FLOAT, total FLOAT, scored_at $instant)",
    "CREATE INDEX by_hand_total ON by_hand_scores (total)",
    "CREATE TEMP TABLE main_rules (type TEXT PRIMARY KEY, rule TEXT, points FLOAT, cap FLOAT)",
    "CREATE TEMP TABLE short_rules (type TEXT PRIMARY KEY, rule TEXT, points FLOAT, cap FLOAT)",
)
_CONTRIBUTIONS = """
INSERT INTO by_hand
WITH sums AS MATERIALIZED (
    SELECT lead_id, type, count(*) AS n, max(occurred_at) AS last_at,
        sum(CASE WHEN type IN ($linear) THEN $greatest(0.0, 1 - $age / (365 * 86400.0))
            WHEN type IN ($mail) THEN power(0.5, $age / (60 * 86400.0))
            ELSE power(0.5, $age / (90 * 86400.0)) END) AS main,
        sum(CASE WHEN type IN ($short) THEN power(0.5, $age / (30 * 86400.0)) END) AS short
    FROM events WHERE NOT machine AND NOT inferred AND occurred_at <= $now GROUP BY lead_id, type
), by_month AS (
    SELECT lead_id, type, $month AS month, count(*) AS n, max(occurred_at) AS last_at,
        sum(CASE WHEN type = 'page.pricing_visited' THEN power(0.5, $age / (90 * 86400.0))
            ELSE $greatest(0.0, 1 - $age / (365 * 86400.0)) END) AS main
    FROM events WHERE NOT machine AND NOT inferred AND occurred_at <= $now AND type IN ($months)
    GROUP BY lead_id, type, $month
), every AS MATERIALIZED (
    SELECT lead_id, rule, points, n, main AS left_over, $least(points * main, cap) AS counts, last_at
    FROM sums JOIN main_rules USING (type) WHERE type NOT IN ($months)
    UNION ALL
    SELECT lead_id, rule, points, n, short, $least(points * short, cap), last_at
    FROM sums JOIN short_rules USING (type)
    UNION ALL
    SELECT lead_id, rule, min(points), sum(n), sum(main), sum($least(points * main, cap)), max(last_at)
    FROM by_month JOIN main_rules USING (type) GROUP BY lead_id, rule
    UNION ALL
    SELECT lead_id, 'viewed-long', 1, count(*), sum(power(0.5, $age / (30 * 86400.0))),
        sum(power(0.5, $age / (30 * 86400.0))), max(occurred_at)
    FROM events WHERE type = 'page.viewed' AND NOT machine AND NOT inferred AND occurred_at <= $now
        AND $seconds >= 60 GROUP BY lead_id
)
SELECT lead_id, rule, 'rule', 'interest', n, n * points, points * left_over, last_at FROM every
UNION ALL
SELECT lead_id, rule, 'cap', 'interest', 0, counts - points * left_over, counts - points * left_over, last_at
FROM every WHERE counts < points * left_over - 1e-9
UNION ALL
SELECT lead_id, 'group:mail', 'group_cap', 'interest', 0, 60 - sum(counts), 60 - sum(counts), max(last_at)
FROM every WHERE rule IN ($mail) GROUP BY lead_id HAVING sum(counts) > 60
"""
_SCORES = """
INSERT INTO by_hand_scores
SELECT leads.id, coalesce(sum(points), 0), coalesce(sum(points), 0), $now
FROM leads LEFT JOIN by_hand ON by_hand.lead_id = leads.id GROUP BY leads.id
"""
_SAME = (
    "SELECT count(*), sum(points) FROM by_hand",
    "SELECT count(*), sum(points) FROM score_contributions WHERE dimension = 'interest'",
)


def same_rows(meter: Meter, store: Store) -> int:
    """Write them beside those of Ripen, which must be there, and compare the two; returns how many."""
    words = _words(store)
    connection = store.raw()
    cursor = connection.cursor()
    for table in _TABLES:
        cursor.execute(Template(table).substitute(words))
    for name, rows in _rules().items():
        mark = "%s" if store.kind == "postgresql" else "?"
        cursor.executemany(f"INSERT INTO {name} VALUES ({mark}, {mark}, {mark}, {mark})", rows)  # noqa: S608
    connection.commit()
    if store.kind == "sqlite":
        cursor.execute("BEGIN IMMEDIATE")
    with meter:
        for statement in (_CONTRIBUTIONS, _SCORES):
            cursor.execute(Template(statement).substitute(words))
        connection.commit()
    (rows, points), (expected_rows, expected) = (cursor.execute(query).fetchone() for query in _SAME)
    assert rows == expected_rows, (rows, expected_rows)
    assert abs(points - expected) < 1e-6 * abs(expected), (points, expected)
    for name in ("by_hand", "by_hand_scores"):
        cursor.execute(f"DROP TABLE {name}")
    connection.commit()
    return int(rows)


def _rules() -> dict[str, list[tuple[Any, ...]]]:
    """Rows of type, rule, points and cap: those of the shipped rules, and those that fade within weeks."""
    found: dict[str, list[tuple[Any, ...]]] = {"main_rules": [], "short_rules": []}
    for rule in documents()["scoring"]["rules"]:
        if rule.get("where"):
            continue
        cap = rule.get("cap", 1e300)
        points = cap["points"] if isinstance(cap, dict) else cap
        name = "short_rules" if "id" in rule and rule["id"] != rule["event"] else "main_rules"
        found[name].append((rule["event"], rule.get("id", rule["event"]), float(rule["points"]), float(points)))
    return found


def _words(store: Store) -> dict[str, str]:
    rules = [rule for rule in documents()["scoring"]["rules"] if not rule.get("where")]

    def listed(kinds: list[str]) -> str:
        return ", ".join(f"'{kind}'" for kind in kinds)

    words = {
        "linear": listed([rule["event"] for rule in rules if "linear" in rule.get("decay", {})]),
        "mail": listed([rule["event"] for rule in rules if rule.get("group") == "mail"]),
        "short": listed([rule[0] for rule in _rules()["short_rules"]]),
        "months": listed([rule["event"] for rule in rules if isinstance(rule.get("cap"), dict)]),
    }
    if store.kind == "sqlite":
        now = to_microseconds(NOW)
        return words | {
            "instant": "BIGINT",
            "now": str(now),
            "age": f"(({now} - occurred_at) / 1000000.0)",
            "month": "CAST(strftime('%Y%m', occurred_at / 1000000, 'unixepoch') AS INTEGER)",
            "seconds": "json_extract(properties, '$.seconds')",
            "least": "min",
            "greatest": "max",
        }
    return words | {
        "instant": "TIMESTAMPTZ",
        "now": f"'{NOW.isoformat()}'::timestamptz",
        "age": f"extract(epoch FROM '{NOW.isoformat()}'::timestamptz - occurred_at)::float",
        "month": "date_trunc('month', occurred_at, 'UTC')",
        "seconds": "(properties ->> 'seconds')::float",
        "least": "least",
        "greatest": "greatest",
    }
