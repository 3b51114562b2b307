"""docs/downloads.md: each request answers with features or a document, each command runs."""

import re
import shlex
import subprocess
import sys
from os import environ
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest

from server.settings import ROOT

PAGE = (ROOT / "docs" / "downloads.md").read_text("utf-8")
EXAMPLES = re.findall(r"^ {4}GET (/\S+)$", PAGE, re.MULTILINE)
COMMANDS = re.findall(r"^ {4}opennrw (export .+?)(?: +#.*)?$", PAGE, re.MULTILINE)


@pytest.fixture(scope="module")
def ags(offered: Any) -> str:
    """A municipality with a street that begins with Haupt."""
    with psycopg.connect(offered.maker.database_url) as connection:
        query = "select ags from geobasis.adresse where str ilike 'haupt%' group by ags order by count(*) desc limit 1"
        row = connection.execute(query).fetchone()
    assert row
    return row[0]


@pytest.mark.parametrize("example", EXAMPLES)
def test_the_example_is_answered(web: httpx.Client, ags: str, example: str) -> None:
    answer = web.get(example.replace("{ags}", ags))
    assert answer.status_code == 200, answer.text
    assert answer.content
    if "download?" in example or re.search(r"/adresse\.\w", example):
        assert int(answer.headers["ogc-numberreturned"]) > 0


def test_the_commands_run(offered: Any, ags: str, tmp_path: Path) -> None:
    home = {"DATABASE_URL": offered.maker.database_url, "OPENNRW_HOME": str(offered.maker.home)}
    # the installed command's folder is not the current one here
    given = {**environ, **home, "PYTHONPATH": str(ROOT)}
    assert len(COMMANDS) == 3
    for command in COMMANDS[:2]:
        arguments = shlex.split(command.replace("05113000", ags))
        done = subprocess.run(
            [sys.executable, "-m", "server", *arguments], cwd=tmp_path, env=given, capture_output=True, check=True
        )
        assert re.search(rb"^\S+: [1-9]\d* features, \d+ bytes, SHA-256 [0-9a-f]{64}$", done.stdout, re.MULTILINE)
    names = {path.name for path in tmp_path.iterdir()}
    assert names == {"essen.fgb", "hausumring_auswahl.parquet"}


def test_every_format_and_bound_is_named() -> None:
    for word in ("gpkg", "fgb", "parquet", "geojsonl", "csv", "shp", "OPENNRW_DOWNLOADS_SPACE", "jobs.ask_for_cut"):
        assert word in PAGE
