"""docs/statistics.md: each request finds something, and the table of the page loads by the YAML of the page."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx

from loaders.report import Report

PAGE = (Path(__file__).resolve().parents[3] / "docs" / "statistics.md").read_text("utf-8")
REQUESTS = re.findall(r"^ {4}GET (/\S.*)$", PAGE, re.MULTILINE)
DESCRIPTION = re.findall(r"^```yaml\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
TABLE = re.findall(r"^```\n(GENESIS-Tabelle.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
INCOME = """GENESIS-Tabelle: 82411-01-03-4
;;;verfügbares Einkommen der privaten Haushalte;verfüg. Einkommen der priv. Haushalte je Einwohner
;;;Tsd. EUR;EUR
2014;05315;      Köln, Kreisfreie Stadt;21640056;24799
"""


def test_the_page_is_true(
    load: Callable[..., Report], home: Path, tmp_path: Path, database: str, start_server: Callable[..., Any]
) -> None:
    (home / "statistics").mkdir(parents=True)
    (home / "statistics" / "arbeitslose.yaml").write_text(DESCRIPTION[0], "utf-8")
    for dataset, text in {"arbeitslose": TABLE[0], "einkommen": INCOME}.items():
        (tmp_path / f"{dataset}.csv").write_text(text, "cp1252")
        assert load(dataset, tmp_path / f"{dataset}.csv").status == "published"
    url = start_server(database, OPENNRW_HOME=str(home)).url
    assert len(REQUESTS) == 5
    for request in REQUESTS:
        answer = httpx.get(url + request)
        assert answer.status_code == 200, answer.text
        assert "21640056" in answer.text, request
    [feature] = httpx.get(f"{url}/collections/arbeitslose_kreis/items?alter=15 bis unter 25").json()["features"]
    assert (feature["id"], feature["properties"]["quote"]) == ("05315000-2020-12-31-15 bis unter 25", 7.5)
