"""The database's schema from SQL files: config/database/*.sql by name, the queue's own, then loaders/<dataset>/*.sql.

Each file runs once, in a transaction of its own, and is recorded with its SHA-256 in public.migration. The queue's
files come with the library: one that a newer version of it brings is one that the database lacks.
"""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict

ROOT = Path(__file__).resolve().parent.parent
CONFIG = ROOT / "config"
LOADERS = ROOT / "loaders"

QUEUE, QUEUE_SCHEMA = "procrastinate", "jobs"
READER = "opennrw_reader"
LOCK = 0x6F706E72775F6D67  # "opnrw_mg": two migrators take turns
LOCK_TIMEOUT = "60s"
RECORD = sql.SQL("""
    create table if not exists public.migration (
      name text primary key, sha256 text not null, applied timestamptz not null default clock_timestamp());
    grant select on public.migration to public""")


class MigrationError(Exception):
    """The schema cannot be brought up to date; the text names the file and what to do."""


@dataclass(frozen=True)
class Migration:
    """One SQL file; `name` is its folder and file name, such as `database/001_roles.sql` or `dvg1/schema.sql`.

    `foreign`: the queue library's, which names no schema; a release may touch up a file that was applied long ago.
    """

    name: str
    content: bytes
    foreign: bool = False

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.content).hexdigest()

    def line_of(self, position: str | None) -> str:
        """`, line 12` for the character position (from 1) that PostgreSQL reports."""
        if not position:
            return ""
        before = self.content.decode()[: int(position) - 1]
        return f", line {before.count(chr(10)) + 1}"


def find_migrations(config: Path = CONFIG, loaders: Path = LOADERS) -> list[Migration]:
    """All migrations in the order in which they are applied."""
    general, datasets = sorted((config / "database").glob("*.sql")), sorted(loaders.glob("*/*.sql"))
    if not general and not datasets:
        raise MigrationError(
            f"No migrations in {config / 'database'}: set OPENNRW_CONFIG_DIR to the project's folder config."
        )
    return [
        *(Migration(f"{file.parent.name}/{file.name}", file.read_bytes()) for file in general),
        *(Migration(f"{QUEUE}/{file.name}", file.read_bytes(), foreign=True) for file in _queue_files()),
        *(Migration(f"{file.parent.name}/{file.name}", file.read_bytes()) for file in datasets),
    ]


def _queue_files() -> list[Path]:
    """The library's migrations, found without importing it: every process of a server comes by here."""
    spec = find_spec(QUEUE)
    folders = spec.submodule_search_locations if spec else None
    files = sorted((Path(folders[0]) / "sql" / "migrations").glob("*.sql")) if folders else []
    if not files:
        raise MigrationError(f"The package {QUEUE} is not installed or has no migrations: install the requirements.")
    return files


def migrate(owner_url: str, config: Path = CONFIG, loaders: Path = LOADERS) -> list[str]:
    """Applies what is missing; the names of what was applied now."""
    migrations = find_migrations(config, loaders)
    with _connection(owner_url) as connection, _lock(connection):
        _make_record(connection)
        todo = unapplied(migrations, _recorded(connection))
        for migration in todo:
            _apply(connection, migration)
    return [migration.name for migration in todo]


def pending(database_url: str, config: Path = CONFIG, loaders: Path = LOADERS) -> list[str]:
    """Names of the migrations that the database lacks; MigrationError if it and the files do not belong together."""
    migrations = find_migrations(config, loaders)
    with _connection(database_url) as connection:
        return [migration.name for migration in unapplied(migrations, _recorded(connection))]


def set_reader_password(owner_url: str, reader_url: str) -> bool:
    """Gives the reader the password that its URL has, so that a server needs no other URL; False if it has none."""
    reader = conninfo_to_dict(reader_url)
    user, password = reader.get("user"), reader.get("password")
    if user != READER or not password:
        return False
    with _connection(owner_url) as connection:
        # hashed here: the server's log may show statements
        secret = connection.pgconn.encrypt_password(str(password).encode(), READER.encode(), b"scram-sha-256").decode()
        statement = sql.SQL("alter role {} password {}").format(sql.Identifier(READER), sql.Literal(secret))
        connection.execute(statement)
    return True


def unapplied(migrations: list[Migration], recorded: dict[str, str]) -> list[Migration]:
    """What is not recorded; an applied file must still be there, unchanged."""
    known = {migration.name: migration for migration in migrations}
    for name, sha256 in recorded.items():
        if name not in known:
            raise MigrationError(
                f"The database has the migration {name}, which this version of OpenNRW Geo does not know: "
                "it was migrated by a newer version. Use that version, or another database."
            )
        if known[name].sha256 != sha256 and not known[name].foreign:
            raise MigrationError(
                f"The migration {name} was changed after it was applied (SHA-256 {known[name].sha256[:12]}…, applied "
                f"{sha256[:12]}…). An applied file stays as it is: restore it and put the change into a new file."
            )
    return [migration for migration in migrations if migration.name not in recorded]


def _make_record(connection: psycopg.Connection) -> None:
    try:
        with connection.transaction():
            connection.execute(RECORD)
    except (psycopg.errors.InsufficientPrivilege, psycopg.errors.ReadOnlySqlTransaction) as error:
        raise MigrationError(
            f"The user {connection.info.user} may not change the schema of {connection.info.dbname}: "
            f"{error.diag.message_primary}. DATABASE_URL must name the owner of the database."
        ) from error


def _apply(connection: psycopg.Connection, migration: Migration) -> None:
    try:
        with connection.transaction():
            if migration.foreign:
                connection.execute(sql.SQL("set local search_path = {}").format(sql.Identifier(QUEUE_SCHEMA)))
            connection.execute(migration.content)
            connection.execute(
                "insert into public.migration (name, sha256) values (%s, %s)", [migration.name, migration.sha256]
            )
    except psycopg.Error as error:
        line = migration.line_of(error.diag.statement_position)
        raise MigrationError(
            f"The migration {migration.name} failed{line}: {error.diag.message_primary or error}"
        ) from error


def _recorded(connection: psycopg.Connection) -> dict[str, str]:
    row = connection.execute("select to_regclass('public.migration')").fetchone()
    if row is None or row[0] is None:
        return {}
    return dict(connection.execute("select name, sha256 from public.migration order by applied").fetchall())


@contextmanager
def _connection(url: str) -> Iterator[psycopg.Connection]:
    try:
        connection = psycopg.connect(url, autocommit=True, connect_timeout=10)
    except psycopg.OperationalError as error:
        raise MigrationError(f"The database cannot be reached; check DATABASE_URL. {str(error).strip()}") from error
    with connection:
        yield connection


@contextmanager
def _lock(connection: psycopg.Connection) -> Iterator[None]:
    connection.execute(sql.SQL("set lock_timeout = {}").format(LOCK_TIMEOUT))
    try:
        connection.execute("select pg_advisory_lock(%s)", [LOCK])
    except psycopg.errors.LockNotAvailable:
        raise MigrationError(
            f"Another process has been migrating this database for more than {LOCK_TIMEOUT}: wait for it and try again."
        ) from None
    try:
        yield
    finally:
        if not connection.closed:
            connection.execute("select pg_advisory_unlock(%s)", [LOCK])
