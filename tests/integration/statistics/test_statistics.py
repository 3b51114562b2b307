"""Tables of the statistical offices: layouts, signs, keys that changed, and tables that nothing but YAML describes."""

import csv
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest
import yaml

from loaders.errors import DeliveryRefused, LoadError
from loaders.example.options import ExampleOptions
from loaders.example.region import make_region
from loaders.example.statistics import write_statistics
from loaders.rejoin import rejoin
from loaders.report import Report
from loaders.run import LoadOptions, load_dataset

Load = Callable[..., Report]
Rows = Callable[..., list[tuple[Any, ...]]]
Write = Callable[..., Path]

INCOME = "82411-01-03-4"
TITLE = ["Verfügbares Einkommen;;;;", "- Jahressumme - ;;;;"]
HEAD = [
    ";;;verfügbares Einkommen der privaten Haushalte;verfüg. Einkommen der priv. Haushalte je Einwohner",
    ";;;Tsd. EUR;EUR",
]
COLOGNE = "2014;05315;      Köln, Kreisfreie Stadt;21640056;20799"


@pytest.fixture
def income(write_table: Write) -> Write:
    """The table of incomes with these lines."""
    return lambda *lines, head=HEAD, code=INCOME, **how: write_table(code, TITLE, head, lines, **how)


@pytest.fixture
def options(database: str, home: Path) -> LoadOptions:
    """Where the test loads to."""
    return LoadOptions(database, home / "deliveries")


@pytest.fixture(scope="session")
def state_keys(samples: Path) -> dict[str, dict[str, str]]:
    """The official keys of the whole state by kind, with their names."""
    with (samples / "keylists" / "ags_nrw_dvg1_20200304.csv").open(encoding="utf-8", newline="") as opened:
        listed = list(csv.DictReader(opened, delimiter=";"))
    return {art: {row["ags"]: row["name"] for row in listed if row["art"] == art} for art in "LRKG"}


def test_a_city_of_five_digits_is_a_district_and_a_municipality(load: Load, rows: Rows, income: Write) -> None:
    lines = ("2014;DG;Deutschland;1710094000;21117", "2014;05;  Nordrhein-Westfalen;373355312;21207", COLOGNE)
    report = load("einkommen", income(*lines))
    assert (report.status, {name: c.inserted for name, c in report.collections.items()}) == (
        "published",
        {"einkommen_gemeinde": 1, "einkommen_kreis": 1},
    )
    query = "select id, ags, name, jahr, stand::text, gebiet, gebietsstand::text, einkommen from geobasis.einkommen_{}"
    row = (
        "05315000-2014",
        "05315000",
        "Köln, Kreisfreie Stadt",
        2014,
        "2014-12-31",
        "05315000",
        "2020-03-04",
        21640056,
    )
    assert rows(query.format("gemeinde")) == rows(query.format("kreis")) == [row]
    same = "select ST_Equals(e.geom, k.geom) from geobasis.einkommen_kreis e join geobasis.kreis k on k.kn = e.gebiet"
    assert rows(same) == [(True,)]
    assert "not published: 1 rows of other states or all Germany, 1 rows of land" in [c.detail for c in report.checks]


def test_what_does_not_fit_or_finds_no_area_is_reported(load: Load, income: Write) -> None:
    faults = {
        "2014;05334;Aachen;1;20.799": "einkommen_je_einwohner is '20.799', which is neither a number nor a sign of",
        "2014;05334;Aachen;1": "the line has 4 cells, it must have 5",
        "2014;05354;Aachen, Kreis;1;2": "the key 05354 has no area: merged with 05313 into 05334 on 2009-10-21",
        "2014;05999;Nirgends;1;2": "the key 05999 has no area: the boundaries do not hold it, nor did they before",
        "1066;05334;Aachen;1;2": "'1066' is neither a year nor a day like 31.12.2014",
    }
    report = load("einkommen", income(COLOGNE, *faults))
    assert report.collections["einkommen_kreis"].rejected == len(faults)
    found = {reject.raw: (reject.line, reject.reason) for reject in report.first_rejects}
    for number, (line, said) in enumerate(faults.items(), start=7):
        assert found[line][0] == number
        assert said in found[line][1]


def test_keys_that_changed_are_looked_up_and_never_guessed(load: Load, rows: Rows, income: Write) -> None:
    former = (
        "2008;05354004;Alsdorf, Stadt;1;2",
        "2014;05354004;Alsdorf, Stadt;-;-",
        "2008;05313;Aachen, krfr. Stadt;3;4",
    )
    report = load("einkommen", income(COLOGNE, *former, "2014;05334004;Alsdorf, Stadt (ab 21.10.2009);5;6"))
    found = rows("select id, gebiet, einkommen from geobasis.einkommen_gemeinde order by id")
    assert found == [
        ("05313000-2008", "05334002", 3),
        ("05315000-2014", "05315000", 21640056),
        ("05334004-2014", "05334004", 5),
        ("05354004-2008", "05334004", 1),
    ]
    details = [c.detail for c in report.checks if c.rule == "former" and c.collection == "einkommen_gemeinde"]
    assert details == ["1 rows of keys that are no more, without any value, left out: 05354004"]
    # as a district Aachen was merged: no area of today is the same
    assert [reject.reason for reject in report.first_rejects] == [
        "the key 05313 has no area: merged with 05354 into 05334 on 2009-10-21"
    ]


def test_another_layout_refuses_the_delivery(load: Load, rows: Rows, income: Write) -> None:
    with pytest.raises(DeliveryRefused, match="it is the table 12411-01-01-5, but einkommen is made of 82411-01-03-4"):
        load("einkommen", income(COLOGNE, code="12411-01-01-5"))
    assert rows("select count(*) from geobasis.einkommen_kreis") == [(0,)]


def test_without_boundaries_it_says_what_to_load_first(database_url: str, home: Path, income: Write) -> None:
    with pytest.raises(DeliveryRefused, match=r"gemeinde is not loaded, so no row has an area\. .* opennrw load dvg1"):
        load_dataset("einkommen", LoadOptions(database_url, home / "deliveries", str(income(COLOGNE))))


def test_the_same_table_again_changes_nothing_and_figures_anew_are_history(
    load: Load, rows: Rows, income: Write
) -> None:
    load("einkommen", income(COLOGNE))
    assert load("einkommen", income(COLOGNE)).status == "unchanged"
    load("einkommen", income(COLOGNE.replace("20799", "20800"), COLOGNE.replace("2014", "2015")))
    assert rows("select jahr, einkommen_je_einwohner from geobasis.einkommen_kreis order by 1") == [
        (2014, 20800),
        (2015, 20799),
    ]
    assert rows("select einkommen_je_einwohner from history.einkommen_kreis") == [(20799,)]


def test_new_boundaries_join_the_figures_anew(
    load: Load, rows: Rows, income: Write, options: LoadOptions, write_boundaries: Write, tmp_path: Path
) -> None:
    load("einkommen", income(COLOGNE, "2014;05334;Städteregion Aachen;5;6"))
    areas = "select gebiet, gebietsstand::text, round(ST_Area(geom)) from geobasis.einkommen_kreis order by 1"
    assert rows(areas) == [("05315000", "2020-03-04", 810000), ("05334000", "2020-03-04", 810000)]
    keys = {"L": {"05000000": "NRW"}, "R": {"05300000": "Köln"}, "K": {"05315000": "Köln"}, "G": {"05315000": "Köln"}}
    load("dvg1", write_boundaries(tmp_path / "dvg1", keys, 500, "20210304"), accept_shrink=True)
    [report] = rejoin("kreis", options)
    assert (report.dataset, report.status, report.collections["einkommen_kreis"].updated) == (
        "einkommen",
        "published",
        1,
    )
    # a district that is no more keeps the area that it had
    assert rows(areas) == [("05315000", "2021-03-04", 250000), ("05334000", "2020-03-04", 810000)]
    assert list(rejoin("gemeinde", options)) == []  # done already
    for path in (options.store / "sha256").rglob("82411*.csv"):
        path.unlink()
    load("dvg1", write_boundaries(tmp_path / "dvg1", keys, 600, "20220304"))
    with pytest.raises(LoadError, match=r"einkommen is joined to areas that have changed, but its file 82411"):
        list(rejoin("kreis", options))


def test_a_dry_run_leaves_nothing(load: Load, rows: Rows, income: Write, home: Path) -> None:
    assert load("einkommen", income(COLOGNE), dry_run=True).status == "dry-run"
    assert rows("select to_regclass('geobasis.einkommen_kreis')") == [(None,)]
    assert not (home / "collections").exists()


def test_a_table_kept_aside_needs_nothing_but_yaml(
    load: Load,
    rows: Rows,
    write_table: Write,
    home: Path,
    *,
    unemployed: str,
    database: str,
    start_server: Callable[..., Any],
) -> None:
    (home / "statistics").mkdir(parents=True)
    (home / "statistics" / "arbeitslose.yaml").write_text(unemployed, "utf-8")
    head = [";;;;Arbeitslose;Arbeitslose;Arbeitslosenquote", ";;;;Insgesamt;Ausländer;", ";;;;Anzahl;Anzahl;%"]
    ages = [(15, "1234;5;7,5"), (25, "-;.;x")]
    data = [f"31.12.2020;05315;Köln;{age} bis unter {age + 10};{values}" for age, values in ages]
    table = write_table("13211-02-05-4", ["Arbeitslose;;;;;;"], head, data)
    assert load("arbeitslose", table).collections["arbeitslose_kreis"].inserted == 2
    found = rows(
        "select id, alter, anzahl, anzahl_zeichen, quote, quote_zeichen from geobasis.arbeitslose_kreis order by 1"
    )
    assert found == [
        ("05315000-2020-12-31-15 bis unter 25", "15 bis unter 25", 1234, None, 7.5, None),
        ("05315000-2020-12-31-25 bis unter 35", "25 bis unter 35", None, "-", None, "x"),
    ]
    served = start_server(database, OPENNRW_HOME=str(home)).url + "/collections/arbeitslose_kreis"
    answer = httpx.get(f"{served}/items", params={"datetime": "2020-12-31", "anzahl": 1234}).json()
    assert [feature["properties"]["quote"] for feature in answer["features"]] == [7.5]
    schema = httpx.get(f"{served}/schema", params={"lang": "en"}).json()["properties"]
    assert (schema["quote"]["title"], schema["quote"]["x-ogc-unit"]) == ("Rate", "%")
    assert httpx.get(served, params={"lang": "en"}).json()["title"] == "Unemployed: districts and independent cities"


def test_a_changed_description_makes_the_table_anew(
    load: Load, rows: Rows, write_table: Write, home: Path, unemployed: str
) -> None:
    described = yaml.safe_load(unemployed)
    folder = home / "statistics"
    folder.mkdir(parents=True)
    (folder / "arbeitslose.yaml").write_text(unemployed, "utf-8")
    head = [";;;;Arbeitslose;Arbeitslose;Arbeitslosenquote", ";;;;Insgesamt;Ausländer;", ";;;;Anzahl;Anzahl;%"]
    table = write_table("13211-02-05-4", ["Arbeitslose"], head, ["31.12.2020;05315;Köln;alle;1234;5;7,5"])
    load("arbeitslose", table)
    described["values"]["auslaender"] = {**described["values"]["anzahl"], "head": "Ausländer"}
    described["values"]["anzahl"]["type"] = "number"
    del described["ignored"]
    (folder / "arbeitslose.yaml").write_text(yaml.safe_dump(described), "utf-8")
    assert load("arbeitslose", table).collections["arbeitslose_kreis"].updated == 1
    columns = "anzahl, auslaender, pg_typeof(anzahl)::text"
    assert rows(f"select {columns} from geobasis.arbeitslose_kreis") == [(1234.0, 5, "double precision")]
    assert rows(f"select {columns} from history.arbeitslose_kreis") == [(1234.0, None, "double precision")]
    assert "auslaender" in (home / "collections" / "arbeitslose_kreis.yaml").read_text("utf-8")


def test_example_tables_load_over_the_example(example_database_url: str, home: Path, tmp_path: Path) -> None:
    options = ExampleOptions(addresses=600)
    folders = write_statistics(tmp_path, make_region(options), options)
    loaded = {
        dataset: load_dataset(dataset, LoadOptions(example_database_url, home / "deliveries", str(folder)))
        for dataset, folder in folders.items()
    }
    with psycopg.connect(example_database_url) as connection:
        query = "select (select count(*) from geobasis.gemeinde), (select count(*) from geobasis.kreis)"
        municipalities, districts = connection.execute(query).fetchone() or (0, 0)
    people, income = loaded["bevoelkerung"].collections, loaded["einkommen"].collections
    assert people["bevoelkerung_gemeinde"].inserted == 4 * municipalities
    assert people["bevoelkerung_kreis"].inserted == income["einkommen_kreis"].inserted == 4 * districts
    assert [report.rejects for report in loaded.values()] == [0, 0]


def test_genuine_tables_load_for_the_whole_state(
    load: Load,
    rows: Rows,
    samples: Path,
    state_keys: dict[str, dict[str, str]],
    write_boundaries: Write,
    tmp_path: Path,
) -> None:
    load("dvg1", write_boundaries(tmp_path / "dvg1", state_keys))
    genesis = samples / "genesis"
    income = load("einkommen", genesis / "82411-01-03-4_NRW_cut.csv")
    assert income.collections["einkommen_kreis"].inserted == 53 * 15
    assert income.rejects == 0
    assert rows("select einkommen_je_einwohner from geobasis.einkommen_kreis where id = '05315000-2014'") == [(20799,)]
    people = load("bevoelkerung", genesis / "12411-01-01-5_NRW_cut.csv")
    assert people.collections["bevoelkerung_gemeinde"].inserted == 396 * 8 + 9  # nine keys of 2008
    assert [reject.reason for reject in people.first_rejects] == [
        "the key 05354 has no area: merged with 05313 into 05334 on 2009-10-21"
    ]
    query = "select sum(insgesamt) from geobasis.bevoelkerung_{} where jahr = 2015"
    assert rows(query.format("gemeinde")) == rows(query.format("kreis")) == [(17865516,)]
    land = load("flaechennutzung", genesis / "ldbnrw_33111-02ir_original.csv")
    assert {c.inserted for c in land.collections.values()} == {19}
    uses = "select bodenflaeche, moor, moor_zeichen, friedhof from geobasis.flaechennutzung_gemeinde where jahr = 2009"
    assert rows(uses) == [(4051655, None, "-", 47649)]
