"""A workspace: the folder with `ripen.toml`, `templates/` and, by default, the database; and the context made of it."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

from connectors.audiences.file import FilePlatform
from connectors.crm.file import FileCrm
from connectors.events.base import EventSource, FileSource
from db import installation
from db.engine import Database
from db.migrate import require_head, upgrade
from nurture.errors import BadInput, BadSetting
from nurture.keys import mark_of
from tasks.context import Context
from tasks.email_transport import email_connector
from tasks.settings import SECRET_FILE, Settings, load_settings
from tasks.sources import build_source

CHECKOUT = Path(__file__).resolve().parent.parent
_ROOM = CHECKOUT / "templates"
_OWN_SECRET = "secret"  # noqa: S105 - the name of a value

RIPEN_TOML = """\
# Settings of this workspace. Each can be overridden by an environment variable: RIPEN_EMAIL__HOST, RIPEN_PROFILE, ...
# Secrets only by environment: RIPEN_SECRET, RIPEN_EMAIL__PASSWORD, RIPEN_WEBHOOK_SECRET.

# database_url = "postgresql+psycopg://user@localhost/ripen"   # without it: SQLite, ripen.db in this folder
profile = "b2b"                                                 # or "b2c"

[project]
name = "Northwind Instruments"
url = "https://www.example.com"
postal_address = "Northwind Instruments, 1 Example Street, 1000 Exampletown"
time_zone = "Europe/Copenhagen"
country = "DK"
language = "en"

[sender]
name = "Northwind Instruments"
address = "hello@example.com"

[email]
transport = "eml"        # writes to a folder; "console" prints; really sending:
# "smtp", "postmark", "sendgrid", "mailgun", "ses", "resend", "brevo" (see docs/connectors)
folder = "outbox"
# host = "smtp.example.com"
# port = 587
# username = "ripen"
# security = "starttls"

[web]
base_url = "http://127.0.0.1:8377"

# Where events come from: a watched folder, and any HTTP source that pages by a cursor.
[[sources]]
kind = "folder"
name = "inbox"
path = "inbox"

# [[sources]]
# kind = "http"
# name = "crm"
# url = "https://crm.example.com/events"
# token_env = "CRM_TOKEN"

# Replies, out-of-office answers and bounces, from the mailbox to which they come back.
# [[sources]]
# kind = "imap"
# name = "replies"
# host = "mail.example.com"
# username = "replies"
# password_env = "REPLIES_PASSWORD"
"""

_SAMPLE_LEADS = """\
email,phone,first_name,last_name,company,job_title,country,language,source,nurture,newsletter,events,ads
ada@example.com,,Ada,Holm,Example Instruments ApS,Head of Operations,DK,da,website form,yes,yes,yes,yes
bo@example.com,+4520123456,Bo,Lind,Sample Works AB,Buyer,SE,en,trade show,yes,no,no,no
"""

_SAMPLE_EVENTS = """\
source,source_event_id,email,type,occurred_at
website,1,ada@example.com,content.white_paper_downloaded,2026-01-05T09:12:00+01:00
website,2,ada@example.com,page.pricing_visited,2026-01-05T09:20:00+01:00
website,3,bo@example.com,demo.requested,2026-01-05T10:02:00+01:00
"""


def default_home() -> Path:
    """`RIPEN_HOME`, else the current folder."""
    return Path(os.environ.get("RIPEN_HOME", ".")).absolute()


def init_workspace(home: Path) -> list[str]:
    """Lay out a new workspace and return what was made; raises BadInput when the folder holds one already."""
    try:
        home.mkdir(parents=True, exist_ok=True)
        if (home / "ripen.toml").exists():
            raise BadInput(f"{home} is a workspace already (it has ripen.toml); choose another folder")
        shutil.copytree(_ROOM, home / "templates", dirs_exist_ok=True)
        (home / "inbox").mkdir(exist_ok=True)
        (home / "samples").mkdir(exist_ok=True)
        (home / "samples" / "leads.csv").write_text(_SAMPLE_LEADS)
        (home / "samples" / "events.csv").write_text(_SAMPLE_EVENTS)
        (home / "ripen.toml").write_text(RIPEN_TOML)
        (home / ".gitignore").write_text(
            "ripen.db*\n.ripen-secret\noutbox/\naudiences/\nsales/\ninbox/\nprivacy/\n.prefect/\n"
        )
    except OSError as error:
        raise BadInput(
            f"cannot make a workspace in {home}: {error.strerror}; choose a folder that you may write to"
        ) from None
    return ["ripen.toml", "templates/", "inbox/", "samples/leads.csv", "samples/events.csv"]


def settings_of(home: Path, **overrides: Any) -> Settings:
    """The settings of a workspace; raises BadInput when the folder is none."""
    if not (home / "ripen.toml").exists() and not (home / "templates").is_dir():
        raise BadInput(
            f"{home} is not a workspace: it has neither ripen.toml nor templates/; "
            "run `ripen init DIR`, or give --home DIR"
        )
    return load_settings(home, **overrides)


def open_database(settings: Settings, *, migrate: bool | None = None) -> Database:
    """The workspace's database: an embedded one is migrated on the way, any other must be at this code's revision."""
    embedded = settings.database_url.startswith("sqlite")
    if embedded if migrate is None else migrate:
        upgrade(settings.database_url)
    database = Database(settings.database_url)
    try:
        require_head(database)
        refuse_other_secret(database, settings)
    except BaseException:
        database.dispose()
        raise
    return database


def refuse_other_secret(database: Database, settings: Settings) -> None:
    """Raise BadSetting when the database has lived with another secret; the first one that it meets is its own."""
    mark = mark_of(settings.secret_bytes())
    with database.read() as connection:
        known = installation.value_of(connection, _OWN_SECRET)
    if known is None:
        with database.write() as connection:
            known = installation.settle(connection, _OWN_SECRET, mark)
    if known != mark:
        where = "RIPEN_SECRET" if settings.secret else f"{settings.inside(SECRET_FILE)}"
        raise BadSetting(
            f"{where} is not the secret that this database has lived with: it would not know again who is suppressed, "
            "and the links in mails that are out would be dead; put the old one back (it belongs with the backups)"
        )


def open_context(home: Path | None = None, **overrides: Any) -> Context:
    """Settings, database and connectors of a workspace."""
    settings = settings_of(home or default_home(), **overrides)
    database = open_database(settings)
    return Context(
        settings=settings,
        database=database,
        email=email_connector(settings),
        sources=event_sources(settings),
        audiences={"file": FilePlatform(settings.inside(settings.audiences_folder))},
        crm=FileCrm(settings.inside(settings.crm_folder)),
    )


def event_sources(settings: Settings) -> list[EventSource | FileSource]:
    """The sources that the settings name."""
    return [build_source(each, settings) for each in settings.sources]
