"""Alembic's entry: runs on the connection that `db.migrate` opened and locked."""

from typing import Any

from alembic import context
from sqlalchemy import Connection

from db.engine import Database
from db.tables import metadata
from db.types import Id, Json, Key, UTCDateTime


def render_type(kind: str, item: Any, autogen: Any) -> Any:
    """Write our own types by their names, so that a migration stays readable."""
    if kind == "type":
        for name, value in (("Id", Id), ("Json", Json), ("Key", Key)):
            if type(item) is type(value) and item._variant_mapping == value._variant_mapping:
                autogen.imports.add("from db.types import Id, Json, Key, UTCDateTime")
                return name
        if isinstance(item, UTCDateTime):
            autogen.imports.add("from db.types import Id, Json, Key, UTCDateTime")
            return "UTCDateTime()"
    return False


def run(connection: Connection) -> None:
    """Run the migrations on one connection."""
    context.configure(
        connection=connection,
        target_metadata=metadata,
        render_item=render_type,
        compare_type=True,
        transactional_ddl=True,
        render_as_batch=connection.dialect.name == "sqlite",
    )
    with context.begin_transaction():
        context.run_migrations()


given = context.config.attributes.get("connection")
if given is not None:
    run(given)
else:
    database = Database(context.config.get_main_option("sqlalchemy.url") or "sqlite:///ripen.db")
    with database.write() as opened:
        run(opened)
