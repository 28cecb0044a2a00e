"""Migrations: they make exactly the tables, twice at once is harmless, and a newer database is refused."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext

from db.engine import Database
from db.migrate import current_revision, downgrade, head_revision, require_head, upgrade
from db.tables import metadata
from nurture.errors import BadSetting, SchemaMismatch


def test_the_migrations_make_exactly_the_tables(database_url):
    database = Database(database_url)
    with database.read() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True, "compare_server_default": False})
        assert compare_metadata(context, metadata) == []
    database.dispose()


def test_two_processes_may_migrate_at_once(empty_database_url):
    with ThreadPoolExecutor(4) as pool:
        revisions = set(pool.map(upgrade, [empty_database_url] * 4))
    assert revisions == {head_revision()}


def test_migrating_again_changes_nothing(database_url):
    assert upgrade(database_url) == head_revision()


def test_down_and_up_again_leaves_a_usable_database(database_url):
    downgrade(database_url, "base")
    upgrade(database_url)
    database = Database(database_url)
    require_head(database)
    database.dispose()


def test_a_database_at_a_newer_revision_is_refused_with_the_remedy(database_url):
    database = Database(database_url)
    with database.write() as connection:
        connection.execute(sa.text("UPDATE alembic_version SET version_num = 'f00d'"))
    with pytest.raises(SchemaMismatch, match="made by a newer Ripen; update Ripen"):
        require_head(database)
    with pytest.raises(SchemaMismatch, match="f00d"):
        upgrade(database_url)
    database.dispose()


def test_an_empty_database_is_refused_with_the_command_that_mends_it(empty_database_url):
    database = Database(empty_database_url)
    with pytest.raises(SchemaMismatch, match="ripen db upgrade"):
        require_head(database)
    database.dispose()


def test_a_failed_migration_leaves_nothing_behind(empty_database_url):
    database = Database(empty_database_url)
    with pytest.raises(RuntimeError):
        _fail_half_way(database)
    with database.read() as connection:
        assert current_revision(connection) is None
        assert sa.inspect(connection).get_table_names() == []
    database.dispose()


def _fail_half_way(database):
    with database.write() as connection:
        connection.execute(sa.text("CREATE TABLE half (id INTEGER)"))
        raise RuntimeError


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("nonsense", "not a database URL"),
        ("mysql://x/y", "runs on sqlite and postgresql"),
        ("sqlite:////no/such/folder/x.db", "does not exist"),
    ],
)
def test_a_wrong_database_url_says_what_to_write(url, says):
    with pytest.raises(BadSetting, match=says):
        Database(url)
