"""The schema from SQL files: complete, once, in order, and never changed behind the database's back."""

import shutil
import threading
from pathlib import Path
from typing import Any

import psycopg
import pytest
from procrastinate.schema import SchemaManager
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from server.migrations import (
    CONFIG,
    LOADERS,
    LOCK,
    MigrationError,
    find_migrations,
    migrate,
    pending,
    set_reader_password,
)


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    """Copies of the project's folders that a test may change."""
    config, loaders = tmp_path / "config", tmp_path / "loaders"
    shutil.copytree(CONFIG / "database", config / "database")
    shutil.copytree(LOADERS / "dvg1", loaders / "dvg1")
    return config, loaders


def test_database_folder_comes_first_then_the_queue_then_datasets_by_name() -> None:
    names = [migration.name for migration in find_migrations()]
    general = [name for name in names if name.startswith("database/")]
    queue = [name for name in names if name.startswith("procrastinate/")]
    datasets = [name for name in names if name not in general + queue]
    assert names == sorted(general) + sorted(queue) + sorted(datasets)
    assert "dvg1/schema.sql" in names
    assert "procrastinate/00.00.00_01_initial.sql" in names


def test_the_queue_gets_the_schema_of_its_library(database_url: str, empty_database_url: str) -> None:
    """Its migrations, applied one after the other as ours are, end where the library's whole schema begins."""
    with psycopg.connect(empty_database_url, autocommit=True) as connection:
        connection.execute("create schema jobs; set search_path = jobs")
        connection.execute(SchemaManager.get_schema())
    assert _objects(database_url) == _objects(empty_database_url) != []


def _objects(url: str) -> list[Any]:
    with psycopg.connect(url) as connection:
        return connection.execute(
            """select 'column', table_name, column_name, data_type || coalesce(column_default, '') || is_nullable
            from information_schema.columns where table_schema = 'jobs' and table_name like '%procrastinate%'
            union all
            select 'function', proname, md5(prosrc), pg_get_function_identity_arguments(oid)
            from pg_proc where pronamespace = 'jobs'::regnamespace and proname like 'procrastinate%'
            union all select 'index', tablename, indexname, indexdef
            from pg_indexes where schemaname = 'jobs' and tablename like 'procrastinate%'
            union all select 'trigger', tgrelid::regclass::text, tgname, pg_get_triggerdef(oid)
            from pg_trigger where tgname like 'procrastinate%'
            union all select 'constraint', conrelid::regclass::text, conname, pg_get_constraintdef(oid)
            from pg_constraint where conrelid::regclass::text like 'jobs.procrastinate%'
            order by 1, 2, 3, 4"""
        ).fetchall()


def test_a_release_of_the_queue_may_touch_up_an_applied_file(empty_database_url: str) -> None:
    migrate(empty_database_url)
    with psycopg.connect(empty_database_url, autocommit=True) as connection:
        connection.execute("update public.migration set sha256 = 'x' where name like 'procrastinate/00.00%'")
        connection.execute("delete from public.migration where name like 'procrastinate/03.03%'")
    assert pending(empty_database_url) == ["procrastinate/03.03.00_01_pre_priority_lock_fetch_job.sql"]


def test_a_fresh_database_gets_everything_once(empty_database_url: str) -> None:
    names = [migration.name for migration in find_migrations()]
    assert pending(empty_database_url) == names
    assert migrate(empty_database_url) == names
    assert pending(empty_database_url) == []
    assert migrate(empty_database_url) == []


def test_the_checksum_is_recorded(connection: psycopg.Connection[Any]) -> None:
    recorded = dict(connection.execute("select name, sha256 from public.migration").fetchall())
    assert recorded == {migration.name: migration.sha256 for migration in find_migrations()}


def test_a_changed_file_is_named(empty_database_url: str, folders: tuple[Path, Path]) -> None:
    migrate(empty_database_url, *folders)
    changed = folders[0] / "database" / "002_schemas.sql"
    changed.write_text(changed.read_text() + "\n-- changed\n")
    with pytest.raises(MigrationError, match=r"database/002_schemas\.sql was changed after it was applied .* new file"):
        migrate(empty_database_url, *folders)
    with pytest.raises(MigrationError, match=r"database/002_schemas\.sql was changed"):
        pending(empty_database_url, *folders)


def test_a_database_from_the_future_is_refused(empty_database_url: str, folders: tuple[Path, Path]) -> None:
    migrate(empty_database_url, *folders)
    (folders[1] / "dvg1" / "schema.sql").unlink()
    with pytest.raises(MigrationError, match=r"dvg1/schema\.sql, which this version .* does not know"):
        migrate(empty_database_url, *folders)


def test_a_failing_file_leaves_nothing_and_names_its_line(empty_database_url: str, folders: tuple[Path, Path]) -> None:
    broken = folders[0] / "database" / "999_broken.sql"
    broken.write_text("create table public.half (id int);\n\nselect ä_no_such_function();\n")
    with pytest.raises(MigrationError, match=r"database/999_broken\.sql failed, line 3: .*ä_no_such_function"):
        migrate(empty_database_url, *folders)
    with psycopg.connect(empty_database_url) as connection:
        assert connection.execute("select to_regclass('public.half')").fetchone() == (None,)
    broken.write_text("create table public.half (id int);\n")
    assert migrate(empty_database_url, *folders)[0] == "database/999_broken.sql"


def test_two_migrators_take_turns(empty_database_url: str) -> None:
    applied: list[list[str]] = []
    threads = [threading.Thread(target=lambda: applied.append(migrate(empty_database_url))) for _ in range(2)]
    with psycopg.connect(empty_database_url, autocommit=True) as holder:
        holder.execute("select pg_advisory_lock(%s)", [LOCK])
        for thread in threads:
            thread.start()
        threads[0].join(timeout=0.5)
        assert applied == []
        holder.execute("select pg_advisory_unlock(%s)", [LOCK])
        for thread in threads:
            thread.join(timeout=60)
    assert sorted(applied, key=len) == [[], [migration.name for migration in find_migrations()]]


def test_no_migrations_at_all_means_a_wrong_folder(empty_database_url: str, tmp_path: Path) -> None:
    with pytest.raises(MigrationError, match="OPENNRW_CONFIG_DIR"):
        migrate(empty_database_url, tmp_path, tmp_path)


def test_an_unreachable_database_is_said(tmp_path: Path) -> None:
    with pytest.raises(MigrationError, match="cannot be reached; check DATABASE_URL"):
        pending(f"host={tmp_path} dbname=nowhere")


def test_only_the_owner_migrates(empty_database_url: str) -> None:
    name = conninfo_to_dict(empty_database_url)["dbname"]
    reader = make_conninfo(empty_database_url, user="opennrw_reader")
    with psycopg.connect(empty_database_url, autocommit=True) as owner:
        owner.execute(find_migrations()[0].content)
    with pytest.raises(
        MigrationError, match=f"opennrw_reader may not change the schema of {name}: .* must name the owner"
    ):
        migrate(reader)


def test_the_reader_can_ask_and_cannot_write(connection: psycopg.Connection[Any]) -> None:
    connection.execute("set role opennrw_reader")
    assert connection.execute("select count(*) > 3 from public.migration").fetchone() == (True,)
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        connection.execute("delete from public.migration")


def test_the_reader_gets_the_password_of_its_url(database_url: str) -> None:
    assert not set_reader_password(database_url, "postgresql://opennrw_reader@db/opennrw")
    assert not set_reader_password(database_url, "postgresql://somebody:secret@db/opennrw")
    assert set_reader_password(database_url, "postgresql://opennrw_reader:s%27cret@db/opennrw")
    with psycopg.connect(database_url, autocommit=True) as owner:
        hashed = owner.execute("select rolpassword from pg_authid where rolname = 'opennrw_reader'").fetchone()
        assert hashed is not None
        assert hashed[0].startswith("SCRAM-SHA-256$")
        owner.execute("alter role opennrw_reader password null")
