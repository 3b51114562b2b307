"""Which PostgreSQL is taken, how it is tuned, and what is said where there is none."""

from pathlib import Path

import pytest

from server.embedded import ClusterError, PrivateCluster, choose_binaries, to_url
from server.pgbinaries import Binaries
from server.pgtuning import MEGABYTE, memory_limit, tuned


def _binaries(major: int, *, postgis: bool = True) -> Binaries:
    return Binaries(major, Path(f"/usr/lib/postgresql/{major}/bin"), postgis)


def _made_by(folder: Path, major: int) -> None:
    (folder / str(major)).mkdir()
    (folder / str(major) / "PG_VERSION").write_text(f"{major}\n")


def test_the_newest_with_postgis_is_taken(tmp_path: Path) -> None:
    found = [_binaries(17, postgis=False), _binaries(16), _binaries(15)]
    assert choose_binaries(found, tmp_path).major == 16


def test_the_version_that_made_the_cluster_goes_first(tmp_path: Path) -> None:
    _made_by(tmp_path, 15)
    assert choose_binaries([_binaries(17), _binaries(15)], tmp_path).major == 15


def test_a_cluster_of_a_version_that_is_gone_is_explained(tmp_path: Path) -> None:
    _made_by(tmp_path, 15)
    with pytest.raises(
        ClusterError, match=r"made by PostgreSQL 15, .* \(installed: 17\)\. Install postgresql-15-postgis-3"
    ):
        choose_binaries([_binaries(17)], tmp_path)


def test_no_postgis_at_all_is_explained(tmp_path: Path) -> None:
    with pytest.raises(ClusterError, match=r"installed: 15 without PostGIS.*postgresql-postgis.*DATABASE_URL"):
        choose_binaries([_binaries(15, postgis=False)], tmp_path)


def test_url_escapes_folder_and_names() -> None:
    url = to_url("opennrw_owner", "opennrw", Path("/srv/jörg müller/pg"))
    assert url == "postgresql://opennrw_owner@/opennrw?host=%2Fsrv%2Fj%C3%B6rg+m%C3%BCller%2Fpg&port=5432"


@pytest.mark.parametrize(("megabytes", "buffers"), [(256, "64MB"), (4096, "512MB"), (262144, "4096MB")])
def test_memory_is_shared_with_the_server(megabytes: int, buffers: str) -> None:
    assert tuned(megabytes * MEGABYTE)["shared_buffers"] == buffers


def test_small_shared_memory_is_avoided(tmp_path: Path) -> None:
    assert tuned(MEGABYTE, tmp_path / "missing")["dynamic_shared_memory_type"] == "mmap"


def test_a_containers_limit_counts(tmp_path: Path) -> None:
    limit = tmp_path / "memory.max"
    limit.write_text("536870912\n")
    assert memory_limit(limit) == 512 * MEGABYTE
    limit.write_text("max\n")
    assert memory_limit(limit) > 512 * MEGABYTE


def test_a_folder_that_cannot_be_made_is_explained(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ClusterError, match=r"cannot be made: Not a directory\. Set OPENNRW_HOME"):
        PrivateCluster(tmp_path / "file" / "home").start()
