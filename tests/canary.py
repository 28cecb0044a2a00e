"""One person with a word of their own in every field, who lives through the whole product beside two neighbours."""

from __future__ import annotations

import base64
import csv
import hashlib
import io
import json
import os
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from cli.main import run
from db import tables
from nurture import failpoints
from tasks.inbound import events_of, take_in
from tasks.live_catalogue import LiveCatalogue
from tasks.workspace import open_context

START = datetime(2026, 3, 3, 9, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
DOWNLOAD = "content.white_paper_downloaded"
# Columns of a file of leads that take any words.
_FIELDS = (
    *("first_name", "last_name", "name", "company", "job_title", "city", "source", "source_detail"),
    *("industry", "interest_topic", "attributes.shoe", "consent_source", "consent_wording"),
)


@dataclass
class Person:
    """A person whose every word begins with a mark that nobody else has."""

    mark: str
    phone: str
    words: set[str] = field(default_factory=set)

    def word(self, name: str) -> str:
        """A word of this person alone."""
        made = f"{self.mark}{name.replace('_', '').replace('.', '').replace('-', '')}"
        self.words.add(made)
        return made

    @property
    def address(self) -> str:
        return f"{self.mark}.one@example.com"

    @property
    def second(self) -> str:
        return f"{self.mark}.two@example.com"

    def row(self) -> dict[str, str]:
        """What an import says of the person."""
        row = {name: self.word(name) for name in _FIELDS}
        row |= {"email": self.address, "phone": self.phone, "country": "DK", "external_id": self.word("external")}
        return row | {f"consent.{topic}": "yes" for topic in ("nurture", "events", "newsletter", "ads")}

    def event(self, kind: str, at: datetime, number: str, who: str | None = None, **more: Any) -> dict[str, Any]:
        """An event with words of the person in all of its parts."""
        given = {"email": who or self.address, "properties": {"page": self.word(f"page{number}"), **more}}
        return {"source_event_id": self.word(f"event{number}"), "type": kind, "occurred_at": at.isoformat(), **given}

    @property
    def needles(self) -> dict[str, str]:
        """Every form in which the person could be found again, in small letters, by what it is."""
        found = {self.mark: self.mark, self.phone[-8:]: "phone"}
        for address in (self.address, self.second):
            data = address.encode()
            for name in ("md5", "sha1", "sha256"):
                found[hashlib.new(name, data).hexdigest()] = f"{name} of an address"
            found[data.hex()] = "hex of an address"
            found[base64.b64encode(data).decode().rstrip("=")[:-2].casefold()] = "base64 of an address"
        for word in self.words:
            found[hashlib.sha256(word.encode()).hexdigest()] = "sha256 of a word"
            found[word.encode().hex()] = "hex of a word"
        return found


SUBJECT = "qvxada"


def people() -> tuple[Person, list[Person]]:
    """The person, and two neighbours."""
    return Person(SUBJECT, "+4526471839"), [Person("zwkbo", "+4531987654"), Person("jpfcy", "+4542765432")]


class Life:
    """What happens to all of them, by the command line and the doors of the product."""

    def __init__(self, home: Path, outside: Path, capfd: Any) -> None:
        self.home, self.outside, self.capfd = home, outside, capfd
        self.subject, self.neighbours = people()
        self.everyone = [self.subject, *self.neighbours]
        self.now = START
        self.said = ""  # what commands said that have no business naming anybody

    def ripen(self, *words: str, code: int = 0, names: bool = False) -> str:
        """A command at the present instant; `names` says that it may show people."""
        self.capfd.readouterr()
        assert run([*words, "--home", str(self.home)]) == code, (words, self.capfd.readouterr().err)
        out, err = self.capfd.readouterr()
        if not names:
            self.said += out + err
        return str(out)

    def at(self) -> tuple[str, str]:
        return "--now", self.now.isoformat()

    def begin(self) -> None:
        """A workspace, people from a file, events from a watched folder and from the web hook."""
        self.capfd.readouterr()
        assert run(["init", str(self.home)]) == 0
        rows = [each.row() for each in self.everyone]
        self.ripen("import", "leads", str(self._csv("people.csv", rows)), "--enroll", *self.at())
        told = [each.event(DOWNLOAD, self.now - HOUR, "0") for each in self.everyone]
        flat = [
            {**{k: v for k, v in row.items() if k != "properties"}, "properties.page": row["properties"]["page"]}
            for row in told
        ]
        given = self._csv("today.csv", [{"source": "site", **row} for row in flat])
        watched = self.home / "inbox/today.csv"
        watched.write_bytes(given.read_bytes())
        long_ago = (self.now - HOUR).timestamp()
        os.utime(watched, (long_ago, long_ago))

    def _csv(self, name: str, rows: list[dict[str, Any]]) -> Path:
        text = io.StringIO(newline="")
        writer = csv.DictWriter(text, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
        path = self.outside / name
        path.write_text(text.getvalue(), encoding="utf-8")
        return path

    def hook(self, *events: dict[str, Any]) -> None:
        """What arrives at the web hook."""
        context = open_context(self.home)
        catalogue = LiveCatalogue(context.database, context.settings).get()
        body = events_of(json.dumps(events).encode())
        secret = context.settings.secret_bytes()
        take_in(context.database, body, catalogue=catalogue, secret=secret, now=self.now)
        context.database.dispose()

    def add(self, table: str, **values: Any) -> None:
        """A row that another part of the product writes."""
        context = open_context(self.home)
        with context.database.write() as connection:
            connection.execute(sa.insert(tables.metadata.tables[table]).values(**values))
        context.database.dispose()

    def rows(self, table: str) -> list[dict[str, Any]]:
        context = open_context(self.home)
        with context.database.read() as connection:
            found = [dict(row) for row in connection.execute(sa.select(tables.metadata.tables[table])).mappings()]
        context.database.dispose()
        return found

    def lead_of(self, person: Person) -> int:
        return next(int(row["id"]) for row in self.rows("leads") if row["email"] == person.address)

    def second_record(self) -> None:
        """Everybody is also known by another address and browser; somebody notices that it is one person."""
        for each in self.everyone:
            browser = each.word("browser-of-theirs")
            anonymous = {"anonymous_id": browser, "email": None}
            self.hook({**each.event("page.viewed", self.now - HOUR, "1"), **anonymous})
            self.hook({**each.event("page.viewed", self.now - HOUR, "2", each.second), "anonymous_id": browser})
            # One fact under two addresses: the merge keeps a copy of it as a dead letter.
            same = each.event("webinar.registered", self.now - HOUR, "3")
            other = {**each.event("webinar.registered", self.now - HOUR, "3", each.second)}
            self.hook(same, {**other, "source_event_id": each.word("event3again")})
            self.ripen("merge", each.address, each.second, *self.at(), names=True)

    def letters(self) -> None:
        """What cannot be used: an unknown type, the far future, half a row, no object."""
        for each in self.everyone:
            self.hook(
                each.event("no.such_type", self.now, "4"),
                each.event("page.viewed", self.now + 300 * DAY, "5"),
                {"email": each.address, "type": DOWNLOAD, "occurred_at": each.word("no-date")},
                {**each.event(DOWNLOAD, self.now, "6"), "email": f"{each.word('broken')}@", "phone": each.phone},
            )

    def provider(self) -> None:
        """What providers report and what is kept for a repetition, as their parts of the product write it."""
        for each in self.everyone:
            message = next(row for row in self.rows("messages") if row["lead_id"] == self.lead_of(each))
            when = {"occurred_at": self.now, "received_at": self.now, "provider": "post", "kind": "delivered"}
            raw = {"recipient": each.address, "text": each.word("raw")}
            self.add("provider_facts", **when, fact_id=each.word("fact"), message_id=message["id"], raw=raw)
            self.add("provider_facts", **when, fact_id=each.word("fact2"), lead_id=message["lead_id"], raw=raw)
            frozen = {
                "act": "act",
                "place": message["id"],
                "members": 1,
                "plan": {"to": each.word("plan")},
                "until": self.now + DAY,
            }
            self.add("frozen_mails", message_id=message["id"], **frozen)

    def with_sales(self) -> None:
        """They ask for a demo, reply, and sales gives them back with words of its own."""
        agent = {"ip": "192.0.2.77", "user_agent": "Agent"}
        for each in self.everyone:
            self.hook(each.event("demo.requested", self.now, "7", message=each.word("wish"), **agent))
            self.hook(each.event("email.replied", self.now, "8", text=each.word("reply")))
        self.ripen("run", "follow-up", *self.at())
        self.now += HOUR
        for each in self.everyone:
            self.hook(each.event("sales.rejected", self.now, "9", reason=each.word("reason")))
        self.ripen("run", "follow-up", *self.at())
        # Longer than the pause after any rejection without a reason that sales knows.
        self.now += 40 * DAY
        for each in self.everyone:
            self.hook(each.event("demo.requested", self.now, "10"))
        self.ripen("run", "follow-up", *self.at())

    def fails(self) -> None:
        """A run that breaks off with the person's words in its hands."""

        def listener(name: str) -> None:
            if name == "rescore.before_commit":
                raise ValueError(self.subject.word("exception"), self.subject.address)

        self.hook(self.subject.event("page.viewed", self.now, "11"))
        failpoints.listen(listener)
        try:
            run(["run", "follow-up", *self.at(), "--home", str(self.home)])
        except ValueError:
            pass  # it would be on the operator's screen
        finally:
            failpoints.listen(None)
        self.capfd.readouterr()

    def is_looked_at(self) -> None:
        """People look at the person, and at everybody."""
        self.ripen("explain", self.subject.address, names=True)
        self.ripen("letters", names=True)
        self.ripen("tasks", names=True)
        self.ripen("messages", names=True)
        self.ripen("report", "--html", str(self.home / "report.html"))


@dataclass
class Scan:
    """Where needles were found, and how much was looked at."""

    hits: list[str] = field(default_factory=list)
    tables: int = 0
    columns: int = 0
    cells: int = 0
    files: int = 0
    size: int = 0

    def looked_at(self) -> str:
        return (
            f"{len(self.hits)} hits in {self.tables} tables, {self.columns} columns, {self.cells} cells, "
            f"{self.files} files, {self.size} bytes: {self.hits[:20]}"
        )

    def text(self, place: str, text: str, needles: dict[str, str]) -> None:
        low = text.casefold()
        self.hits += [f"{what} in {place}" for needle, what in needles.items() if needle in low]

    def database(self, url: str, needles: dict[str, str]) -> None:
        """Every cell of every table that the database has, also those that Ripen does not know."""
        engine = sa.create_engine(url)
        with engine.connect() as connection:
            for table in sa.inspect(engine).get_table_names():
                self.tables += 1
                result = connection.execute(sa.select(sa.text("*")).select_from(sa.table(table)))
                columns = list(result.keys())
                self.columns += len(columns)
                for row in result:
                    self.cells += len(row)
                    for column, cell in zip(columns, row, strict=True):
                        self.text(f"{table}.{column}", _as_text(cell), needles)
            if engine.dialect.name == "postgresql":
                known = connection.exec_driver_sql(
                    "SELECT tablename, attname, most_common_vals::text, histogram_bounds::text FROM pg_stats"
                    " WHERE schemaname = current_schema()"
                )
                for table, column, common, bounds in known:
                    self.text(f"statistics of {table}.{column}", f"{common} {bounds}", needles)
        engine.dispose()

    def folder(self, folder: Path, needles: dict[str, str]) -> None:
        """Every file below a folder, by its name and its bytes."""
        for path in folder.rglob("*"):
            if path.is_file():
                self.file(path, str(path.relative_to(folder)), needles)

    def file(self, path: Path, place: str, needles: dict[str, str]) -> None:
        """One file."""
        content = path.read_bytes()
        self.files += 1
        self.size += len(content)
        self.text(f"the name {place}", place, needles)
        low = content.lower()
        self.hits += [f"{what} in {place}" for needle, what in needles.items() if needle.encode() in low]


def _as_text(cell: Any) -> str:
    if isinstance(cell, (bytes, memoryview)):
        return bytes(cell).decode("utf-8", "replace")
    return json.dumps(cell, default=str, ensure_ascii=False) if isinstance(cell, (dict, list)) else str(cell)
