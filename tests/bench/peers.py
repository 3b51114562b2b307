"""Other servers on the same table: tipg and pygeoapi, installed into an environment of their own on demand.

pg_featureserv is written in Go and on none of Python's registries; it is compared by its ratio to pgbench.
"""

import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from cases import Town, around
from psycopg.conninfo import conninfo_to_dict
from tools import moved, run, running, write_paths, wrk

PACKAGES = (
    "tipg==1.*",
    "pygeoapi==0.21.*",
    "uvicorn",
    "uvloop",
    "httptools",
    "gunicorn",
    "psycopg2-binary",
    "geoalchemy2",
)
PORT = 8098
WORKERS = os.cpu_count() or 1
NO_PARALLEL = "-c max_parallel_workers_per_gather=0"


@dataclass(frozen=True)
class Peer:
    """A server: what starts it, where it answers first, and its path of the items."""

    name: str
    command: list[str]
    environment: dict[str, str]
    ready: str
    items: str


def install(folder: Path) -> Path:
    """The environment's folder of programs."""
    programs = folder / "bin"
    if not (programs / "pygeoapi").exists():
        run(sys.executable, "-m", "venv", str(folder))
        run(str(programs / "pip"), "install", "--quiet", *PACKAGES)
    return programs


def find_peers(programs: Path, folder: Path, conninfo: str, town: Town) -> list[Peer]:
    """Both, as many workers as the machine has cores, PostgreSQL's parallel workers off."""
    return [_tipg(programs, conninfo, town), _pygeoapi(programs, folder, conninfo, town)]


def _tipg(programs: Path, conninfo: str, town: Town) -> Peer:
    environment = {
        **os.environ,
        "DATABASE_URL": conninfo,
        "PGOPTIONS": NO_PARALLEL,
        "TIPG_DB_SCHEMAS": '["geobasis"]',
        "TIPG_DB_TABLES": json.dumps([town.collection.id]),
        "TIPG_MAX_FEATURES_PER_QUERY": "10000",
    }
    command = [str(programs / "uvicorn"), "tipg.main:app", "--port", str(PORT), "--workers", str(WORKERS)]
    return Peer("tipg", command, environment, "/healthz", f"/collections/geobasis.{town.collection.id}/items")


def _pygeoapi(programs: Path, folder: Path, conninfo: str, town: Town) -> Peer:
    config, definition = folder / "pygeoapi.yml", folder / "pygeoapi-openapi.yml"
    config.write_text(yaml.safe_dump(_pygeoapi_configuration(conninfo, town)))
    environment = {
        **os.environ,
        "PYGEOAPI_CONFIG": str(config),
        "PYGEOAPI_OPENAPI": str(definition),
        "PGOPTIONS": NO_PARALLEL,
    }
    run(
        str(programs / "pygeoapi"),
        "openapi",
        "generate",
        str(config),
        "--output-file",
        str(definition),
        environment=environment,
    )
    workers = ("--workers", str(WORKERS), "--threads", "4", "--bind", f"127.0.0.1:{PORT}")
    command = [str(programs / "gunicorn"), *workers, "pygeoapi.flask_app:APP"]
    return Peer("pygeoapi", command, environment, "/conformance", f"/collections/{town.collection.id}/items")


def _pygeoapi_configuration(conninfo: str, town: Town) -> dict[str, Any]:
    text = {"en": "bench"}
    return {
        "server": {
            "bind": {"host": "127.0.0.1", "port": PORT},
            "url": f"http://127.0.0.1:{PORT}",
            "mimetype": "application/json; charset=UTF-8",
            "encoding": "utf-8",
            "languages": ["en-US"],
            "limits": {"default_items": 10, "max_items": 10_000},
            "map": {"url": "http://127.0.0.1/", "attribution": "none"},
        },
        "logging": {"level": "ERROR"},
        "metadata": {
            "identification": {
                "title": text,
                "description": text,
                "keywords": {"en": ["bench"]},
                "keywords_type": "theme",
                "terms_of_service": "none",
                "url": "http://127.0.0.1",
            },
            "license": {"name": "none", "url": "http://127.0.0.1"},
            "provider": {"name": "bench", "url": "http://127.0.0.1"},
            "contact": {"name": "bench", "email": "bench@localhost"},
        },
        "resources": {
            town.collection.id: {
                "type": "collection",
                "title": text,
                "description": text,
                "keywords": {"en": ["bench"]},
                "extents": {"spatial": {"bbox": [5.8, 50.3, 9.5, 52.6]}},
                "providers": [_pygeoapi_provider(conninfo, town)],
            }
        },
    }


def _pygeoapi_provider(conninfo: str, town: Town) -> dict[str, Any]:
    given = conninfo_to_dict(conninfo)
    return {
        "type": "feature",
        "name": "PostgreSQL",
        "id_field": "id",
        "table": town.collection.id,
        "geom_field": "geom",
        "storage_crs": "http://www.opengis.net/def/crs/EPSG/0/25832",
        "crs": ["http://www.opengis.net/def/crs/OGC/1.3/CRS84", "http://www.opengis.net/def/crs/EPSG/0/25832"],
        "data": {
            "host": given["host"],
            "port": int(given.get("port") or 5432),
            "dbname": given["dbname"],
            "user": given["user"],
            "password": given.get("password") or "",
            "search_path": ["geobasis", "public"],
        },
    }


def measure_peer(peer: Peer, town: Town, folder: Path, seconds: int) -> dict[tuple[int, int], float]:
    """Answers per second by limit and number of connections, with the boxes of the other cases in CRS84."""
    found = {}
    with _started(peer):
        for limit in (10, 1000):
            paths = []
            for place in town.places:
                for corners in moved(around(place, 3000, degrees=True), 3e-4, 20):
                    box = ",".join(f"{value:.5f}" for value in corners)
                    paths.append(
                        f"{peer.items}?f={'geojson' if peer.name == 'tipg' else 'json'}&limit={limit}&bbox={box}"
                    )
            script = folder / f"{peer.name}-{limit}.lua"
            write_paths(script, paths)
            wrk(script, 1, 1, PORT)
            for connections in (1, 8):
                found[limit, connections] = wrk(script, connections, seconds, PORT).rate
    return found


@contextmanager
def _started(peer: Peer) -> Iterator[None]:
    with running(peer.command, peer.environment, PORT, peer.ready):
        yield
