"""The private cluster where its surroundings are awkward: long paths, odd names, settings of one's own."""

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict

from server.embedded import ClusterError, PrivateCluster

FAST = {"fsync": "off", "shared_buffers": "32MB"}


@pytest.fixture
def parent() -> Iterator[Path]:
    """Not below pytest's folder, which is closed to the user that root's PostgreSQL runs as."""
    folder = Path(tempfile.mkdtemp(prefix="opennrw-test-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


@pytest.mark.parametrize("name", ["a-deep-checkout/" * 6, "Jörgs Daten, 'neu'"], ids=["too long", "odd"])
def test_a_path_that_no_socket_can_have(parent: Path, name: str) -> None:
    cluster = PrivateCluster(parent / name, FAST)
    with cluster.session():
        socket_folder = Path(str(conninfo_to_dict(cluster.owner_url)["host"]))
        assert parent not in socket_folder.parents
        assert socket_folder.stat().st_mode & 0o777 == 0o700
        with psycopg.connect(cluster.reader_url.replace("opennrw_reader", "opennrw_owner")) as connection:
            assert connection.execute("show jit").fetchone() == ("off",)
    assert not socket_folder.exists()


def test_settings_of_ones_own_come_last(parent: Path) -> None:
    cluster = PrivateCluster(parent, FAST)
    with cluster.session():
        assert (cluster.data / "PG_VERSION").exists()
    (cluster.data / "local.conf").write_text("port = 5499\nwork_mem = '7MB'\n")
    with cluster.session(), psycopg.connect(cluster.owner_url) as connection:
        assert connection.execute("show work_mem").fetchone() == ("7MB",)
        assert connection.execute("show port").fetchone() == ("5499",)


def test_a_setting_that_postgresql_refuses_is_shown(parent: Path) -> None:
    cluster = PrivateCluster(parent, FAST)
    with cluster.session():
        pass
    (cluster.data / "local.conf").write_text("work_memory = '7MB'\n")
    with pytest.raises(ClusterError, match=r'(?s)did not start.*"work_memory"'), cluster.session():
        pass
    assert not cluster.running()


def test_an_interrupted_initdb_starts_again(parent: Path) -> None:
    draft = PrivateCluster(parent, FAST).data.with_name(f"{PrivateCluster(parent, FAST).binaries.major}.draft")
    draft.mkdir(parents=True)
    (draft / "PG_VERSION").write_text("half")
    with PrivateCluster(parent, FAST).session() as cluster:
        assert cluster.running()
    assert not draft.exists()


def test_sessions_share_the_cluster_until_the_last_ends(parent: Path) -> None:
    first, second = PrivateCluster(parent, FAST), PrivateCluster(parent, FAST)
    with first.session():
        with second.session():
            assert second.owner_url == first.owner_url
        assert first.running()
    assert not first.running()


def test_a_kept_cluster_outlives_its_sessions(parent: Path) -> None:
    cluster = PrivateCluster(parent, FAST)
    assert cluster.start()
    assert not cluster.start()
    with cluster.session():
        pass
    assert cluster.running()
    assert cluster.stop()
    assert not cluster.stop()
    with pytest.raises(ClusterError, match="is not running; `opennrw db start` starts it"):
        _ = cluster.owner_url
