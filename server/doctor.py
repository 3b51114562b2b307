"""Checks everything the service needs and says what to do about what is missing."""

import asyncio
import platform
import re
import shutil
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import psycopg
from psycopg.abc import Query

from server import migrations
from server.catalogue import read_collections, read_service
from server.database import STANDING, Database, Standing, reader_conninfo
from server.embedded import ClusterError
from server.errors import ConfigurationError
from server.pgbinaries import NEWEST, OLDEST, find_binaries
from server.schema_check import check_schema
from server.serving import ServingError, check_port
from server.settings import Settings

OK, ADVICE, WRONG = "ok", "advice", "wrong"
PYTHONS = ((3, 11), (3, 13))
POSTGIS = ((3, 3), (3, 5))
GIGABYTE = 1024**3
LEAST_DISK = 2 * GIGABYTE
ROLES = ("opennrw_reader", "opennrw_editor")
# DHDN (2570000, 5700000), zone 2, with the grid BETA2007; without it PROJ is 0.4 m off and says nothing
OLD, NEW = (2570000, 5700000), (361380.312, 5699565.450)
MOST_LAG = 60  # seconds
# Names and states of what replicates from here; a state is null for who may not see it
STANDBYS = """
select coalesce(application_name, 'one') || coalesce(' at ' || host(client_addr), ''), coalesce(state, 'connected')
from pg_stat_replication order by 1"""
Connection = psycopg.Connection[Any]


@dataclass(frozen=True)
class Check:
    """One thing looked at; `remedy` is empty where nothing needs to be done."""

    name: str
    state: str
    detail: str
    remedy: str = ""

    def to_dict(self) -> dict[str, str]:
        return asdict(self)

    def to_text(self) -> str:
        line = f"{self.state:<7}{self.name}: {self.detail}"
        return f"{line}\n       -> {self.remedy}" if self.remedy else line


def check_machine(settings: Settings) -> list[Check]:
    """What can be seen without a database."""
    checks = [_check_python(), _check_disk(settings.home), _check_port(settings), _check_configuration(settings)]
    return checks if settings.database_url else [_check_binaries(), *checks]


def check_database(url: str, settings: Settings) -> list[Check]:
    """What the database says; `url` is the owner's."""
    looks: tuple[Callable[[Connection], Check], ...] = (
        _check_postgresql,
        _check_postgis,
        _check_roles,
        _check_settings,
        _check_grids,
    )
    with psycopg.connect(url, autocommit=True, connect_timeout=10) as connection:
        checks = [_look(look, connection) for look in looks]
    if settings.database_url or not settings.reader_database_url:
        checks.append(_look(_check_writes, url))
    checks.append(_look(_check_reads, url, settings))
    return [*checks, _check_migrations(url, settings), _check_tables(url, settings)]


def check_collections(settings: Settings, owner_url: str | None = None) -> None:
    """ConfigurationError, with every difference, if the collections' YAML and the database do not fit together."""
    read_service(settings.config_dir)
    collections = read_collections(*settings.collection_folders)

    async def compare() -> None:
        conninfo = reader_conninfo(settings, owner_url or settings.database_url or "")
        database = Database(conninfo, 1, settings.pool_timeout)
        await database.open()
        try:
            await check_schema(database, collections)
        finally:
            await database.close()

    asyncio.run(compare())


def _look(look: Callable[..., Check], *at: Any) -> Check:
    try:
        return look(*at)
    except psycopg.Error as error:
        name = look.__name__.removeprefix("_check_")
        return Check(name, WRONG, str(error).strip(), "see the message; `opennrw db migrate` may not have been run")


def _check_python() -> Check:
    found = platform.python_version()
    if PYTHONS[0] <= sys.version_info[:2] <= PYTHONS[1]:
        return Check("python", OK, found)
    return Check("python", WRONG, f"{found}, needed is 3.11 to 3.13", "make the virtual environment with one of those")


def _check_binaries() -> Check:
    found = find_binaries()
    text = ", ".join(f"{b.major} in {b.folder}{'' if b.postgis else ' (without PostGIS)'}" for b in found) or "none"
    if any(binaries.postgis for binaries in found):
        return Check("programs", OK, f"PostgreSQL {text}")
    return Check(
        "programs",
        WRONG,
        f"PostgreSQL with PostGIS for the private cluster: {text}",
        "Debian, Ubuntu: apt-get install postgresql-postgis; or set DATABASE_URL",
    )


def _check_disk(home: Path) -> Check:
    folder = next(path for path in (home.absolute(), *home.absolute().parents) if path.exists())
    free = shutil.disk_usage(folder).free
    text = f"{free / GIGABYTE:.1f} GB free for {home}"
    if free >= LEAST_DISK:
        return Check("disk", OK, text)
    return Check("disk", WRONG, f"{text}, needed are {LEAST_DISK / GIGABYTE:.0f}", "free some, or set OPENNRW_HOME")


def _check_port(settings: Settings) -> Check:
    try:
        check_port(settings.host, settings.port)
    except ServingError as error:
        return Check("port", ADVICE, str(error), "no harm if that is this service; otherwise --port or OPENNRW_PORT")
    return Check("port", OK, f"{settings.port} on {settings.host} is free")


def _check_configuration(settings: Settings) -> Check:
    try:
        read_service(settings.config_dir)
        count = len(read_collections(*settings.collection_folders))
    except (ConfigurationError, OSError) as error:
        return Check("configuration", WRONG, str(error), "mend the file named")
    return Check("configuration", OK, f"{count} collections in {settings.collections_dir}")


def _scalar(connection: Connection, query: Query) -> Any:
    row = connection.execute(query).fetchone()
    return row[0] if row else None


def _check_postgresql(connection: Connection) -> Check:
    number = connection.info.server_version
    text = f"{number // 10000}.{number % 10000}"
    if OLDEST <= number // 10000 <= NEWEST:
        return Check("postgresql", OK, text)
    state = WRONG if number // 10000 < OLDEST else ADVICE
    return Check("postgresql", state, f"{text}; tested are {OLDEST} to {NEWEST}", "use one of the tested versions")


def _check_postgis(connection: Connection) -> Check:
    found = _scalar(connection, "select extversion from pg_extension where extname = 'postgis'")
    if found is None:
        return Check("postgis", WRONG, "the extension is not in the database", "opennrw db migrate")
    short = tuple(int(part) for part in re.findall(r"\d+", found)[:2])
    libraries = _scalar(connection, "select 'GEOS ' || postgis_geos_version() || ', PROJ ' || postgis_proj_version()")
    text = f"{found}, {libraries}"
    if POSTGIS[0] <= short <= POSTGIS[1]:
        return Check("postgis", OK, text)
    state = WRONG if short < POSTGIS[0] else ADVICE
    return Check("postgis", state, f"{text}; tested are 3.3 to 3.5", "use one of the tested versions")


def _check_roles(connection: Connection) -> Check:
    rows = connection.execute("select rolname from pg_roles where rolname = any(%s)", [list(ROLES)]).fetchall()
    missing = [role for role in ROLES if (role,) not in rows]
    if missing:
        return Check("roles", WRONG, f"missing: {', '.join(missing)}", "opennrw db migrate")
    writable = connection.execute(
        "select count(*) from pg_class where relnamespace in ('geobasis'::regnamespace, 'provenance'::regnamespace) "
        "and relkind in ('r', 'p') and has_table_privilege('opennrw_reader', oid, 'insert,update,delete,truncate')"
    ).fetchone()
    if writable and writable[0]:
        return Check(
            "roles", WRONG, f"opennrw_reader may write to {writable[0]} tables", "revoke all but select from that role"
        )
    return Check("roles", OK, f"{', '.join(ROLES)}; the reader cannot write")


def _check_settings(connection: Connection) -> Check:
    encoding, zone = _scalar(connection, "show server_encoding"), _scalar(connection, "show timezone")
    if encoding != "UTF8":
        return Check(
            "encoding",
            WRONG,
            f"{encoding}, needed is UTF8",
            "make the database anew: create database … encoding 'UTF8'",
        )
    return Check("encoding", OK, f"{encoding}, time zone {zone}")


def _check_grids(connection: Connection) -> Check:
    row = connection.execute(
        "select st_x(p), st_y(p) from st_transform(st_setsrid(st_makepoint(%s, %s), 31466), 25832) p", OLD
    ).fetchone()
    assert row is not None  # noqa: S101 (a select without from always has a row)
    off = max(abs(found - right) for found, right in zip(row, NEW, strict=True))
    if off < 0.001:
        return Check("grids", OK, "BETA2007 is used for the old systems (EPSG:31466, 31467)")
    return Check(
        "grids",
        WRONG,
        f"EPSG:31466 is {off:.3f} m off: the grid BETA2007 is missing on the database's machine",
        "Debian, Ubuntu: apt-get install proj-data on that machine, then restart PostgreSQL",
    )


def _check_writes(owner_url: str) -> Check:
    """Whether loads and migrations reach a server that takes them; where it has standbys, how they are."""
    with psycopg.connect(owner_url, autocommit=True, connect_timeout=10) as connection:
        where = _address(connection)
        if _scalar(connection, "select pg_is_in_recovery()"):
            return Check(
                "writes",
                WRONG,
                f"{where} is a standby, which takes no writes",
                "DATABASE_URL: name all servers and target_session_attrs=read-write, "
                "such as postgresql://opennrw_owner@db1,db2/opennrw?target_session_attrs=read-write",
            )
        if _scalar(connection, "show default_transaction_read_only") == "on":
            remedy = f"alter role {connection.info.user} reset default_transaction_read_only; likewise the database"
            return Check("writes", WRONG, f"{where} is a primary, but default_transaction_read_only is on", remedy)
        standbys = connection.execute(STANDBYS).fetchall()
    found = ", ".join(f"{name} {state}" for name, state in standbys) or "none"
    return Check("writes", OK, f"{where}, a primary; standbys: {found}")


def _check_reads(url: str, settings: Settings) -> Check:
    """Which server a request's query would reach now, and how old its data are."""
    with psycopg.connect(reader_conninfo(settings, url), autocommit=True) as connection:
        where = _address(connection)
        row = connection.execute(STANDING).fetchone()
        assert row is not None  # noqa: S101 (a select without from always has a row)
        standing = Standing(*row)
        if not standing.standby:
            return Check("reads", OK, f"{where}, a primary")
        feedback = _scalar(connection, "show hot_standby_feedback")
    if standing.lag is None or standing.lag > MOST_LAG:
        behind = "by how much it cannot say" if standing.lag is None else f"by {standing.lag:.0f} s"
        remedy = "see its log: does it reach its primary, has the primary still the WAL (replication slot)?"
        return Check("reads", ADVICE, f"{where}, a standby behind its primary, {behind}", remedy)
    text = f"{where}, a standby, {standing.lag:.1f} s behind its primary"
    if feedback != "on":
        return Check("reads", ADVICE, f"{text}; hot_standby_feedback is off", "set it on: vacuum ends long reads else")
    return Check("reads", OK, text)


def _address(connection: Connection) -> str:
    return f"{connection.info.host}:{connection.info.port}"


def _check_migrations(url: str, settings: Settings) -> Check:
    try:
        missing = migrations.pending(url, settings.config_dir)
    except migrations.MigrationError as error:
        return Check("migrations", WRONG, str(error), "see the message")
    if missing:
        return Check("migrations", WRONG, f"not applied: {', '.join(missing)}", "opennrw db migrate")
    return Check("migrations", OK, "all applied")


def _check_tables(url: str, settings: Settings) -> Check:
    try:
        check_collections(settings, url)
    except (ConfigurationError, ClusterError, psycopg.Error) as error:
        return Check("tables", WRONG, str(error), "see the message")
    return Check("tables", OK, "tables, columns and indexes are as the collections need them")
