"""Tables of the statistical offices as text: layouts, signs, encodings, and what their descriptions may say."""

from pathlib import Path

import pytest

from loaders.errors import InvalidDelivery, LoadError, ManifestError
from loaders.manifest import read_manifest
from loaders.statistics.description import find_statistic
from loaders.statistics.genesis import read_sheet
from loaders.statistics.heads import find_places
from loaders.statistics.numbers import parse_figure


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """OPENNRW_HOME of the test's own."""
    monkeypatch.setenv("OPENNRW_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.mark.parametrize(
    ("cell", "value", "sign"),
    [
        ("-", None, "-"), ("–", None, "-"), (".", None, "."), ("x", None, "x"), ("/", None, "/"), ("...", None, "..."),
        ("…", None, "..."), ("", None, None), ("0", 0, None), ("-12", -12, None), ("(20799)", 20799, "()"),
        ("20799 r", 20799, "r"), ("20799,0", 20799, None),
    ],
)  # fmt: skip
def test_signs_are_kept_beside_the_values(cell: str, value: int | None, sign: str | None) -> None:
    figure = parse_figure(cell, "integer")
    assert figure is not None
    assert (figure.value, figure.sign) == (value, sign)


@pytest.mark.parametrize("cell", ["1.234", "1 234", "12,5", "viel", "(1", "1)", "NaN", "1e5", "٣", "9" * 19, "--"])
def test_what_is_no_integer_is_no_figure(cell: str) -> None:
    assert parse_figure(cell, "integer") is None


def test_numbers_have_a_decimal_comma() -> None:
    figure = parse_figure("12,5", "number")
    assert figure is not None
    assert figure.value == 12.5


HEAD = [
    ";;;verfügbares Einkommen der privaten Haushalte;verfüg. Einkommen der priv. Haushalte je Einwohner",
    ";;;Tsd. EUR;EUR",
]


def _write(
    folder: Path, head: list[str], encoding: str = "cp1252", code: str = "GENESIS-Tabelle: 82411-01-03-4"
) -> Path:
    lines = [
        code,
        "Verfügbares Einkommen;;;;",
        *head,
        "2014;05315;      Köln, Kreisfreie Stadt;21640056;20799",
        "_____",
    ]
    path = folder / "tabelle.csv"
    path.write_bytes("\r\n".join([*lines, 'zu ""Köln"":', "Stand: 10.10.2017"]).encode(encoding))
    return path


@pytest.mark.parametrize("encoding", ["cp1252", "utf-8", "utf-8-sig"])
def test_encodings_of_the_offices_and_of_those_who_converted_them(tmp_path: Path, encoding: str) -> None:
    sheet = read_sheet(_write(tmp_path, HEAD, encoding), (("jahr", "schluessel", "name"),))
    assert [line.cells for line in sheet.lines] == [["2014", "05315", "Köln, Kreisfreie Stadt", "21640056", "20799"]]
    assert sheet.heads[0] == ("verfügbares Einkommen der privaten Haushalte", "Tsd. EUR")


@pytest.mark.parametrize(
    ("head", "said"),
    [
        (
            [HEAD[0], ";;;EUR;EUR"],
            "the unit of einkommen is 'Tsd. EUR' in the description, but the file has it not above",
        ),
        ([HEAD[0] + ";Neues", HEAD[1] + ";%"], "the column 'Neues | %' is none of einkommen, einkommen_je_einwohner."),
        (
            [";;;verfügbares Einkommen der privaten Haushalte", ";;;Tsd. EUR"],
            "no column has the head 'verfüg. Einkommen",
        ),
        (
            [HEAD[0] + HEAD[0][2:], HEAD[1] + HEAD[1][2:]],
            "two columns are einkommen. Give its `head` more of the texts",
        ),
        ([], "line 3 holds data, but no line of heads stands above it"),
    ],
)
def test_a_head_that_is_not_described_is_refused(tmp_path: Path, head: list[str], said: str) -> None:
    statistic = find_statistic("einkommen")
    assert statistic
    with pytest.raises(InvalidDelivery, match=r"tabelle\.csv") as refused:
        find_places(read_sheet(_write(tmp_path, head), statistic.columns), statistic)
    assert said in str(refused.value)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "it is empty"),
        ("GENESIS-Tabelle: 1".encode("utf-16"), "it holds zero bytes"),
        (b"GENESIS-Tabelle: 1;x\nviel;Text", "no line begins with jahr, schluessel, name"),
        (b";;;A\n2014;05315;Koeln;1\n", "the first line names no table"),
        (b"x" * (1 << 20) + b"x", "line 1 has 1048577 characters"),
        (b";" * 10_001, "line 1 has 10001 columns"),
    ],
)  # fmt: skip
def test_what_is_no_table_is_refused(tmp_path: Path, content: bytes, said: str) -> None:
    path = tmp_path / "tabelle.csv"
    path.write_bytes(content)
    with pytest.raises(InvalidDelivery) as refused:
        read_sheet(path, (("jahr", "schluessel", "name"),))
    assert said in str(refused.value)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("columns: [stichtag, ort]", "columns names 'ort', which is none of jahr, stichtag, schluessel, name"),
        ("columns: [stichtag, alter]", "columns has no 'schluessel', so area_names must tell the areas"),
        ("wert: 1", "unknown key; remove it or correct its spelling"),
        ("area_names: {Bonn: '5314'}", "area_names: 'Bonn' has the key '5314'; keys begin with 05"),
        ("dataset: arbeit", "dataset is 'arbeit', the file's name is 'arbeitslose': rename one"),
    ],
)
def test_a_faulty_description_names_file_and_line(home: Path, unemployed: str, change: str, said: str) -> None:
    folder = home / "statistics"
    folder.mkdir(parents=True)
    member = change.partition(":")[0]
    lines = [line for line in unemployed.splitlines() if not line.startswith(f"{member}:")]
    (folder / "arbeitslose.yaml").write_text("\n".join([*lines, change]), "utf-8")
    with pytest.raises(ManifestError, match=r"arbeitslose\.yaml") as wrong:
        read_manifest("arbeitslose")
    assert said in str(wrong.value)


def test_an_unknown_dataset_names_those_that_are_known(home: Path) -> None:
    with pytest.raises(LoadError, match=r"Known datasets: alkis, .*bevoelkerung, einkommen, flaechennutzung, steuern"):
        read_manifest("nichts")
