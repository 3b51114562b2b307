"""What people type into the search, taken apart and ranked."""

from pathlib import Path

import pytest

from server.catalogue import Collection, read_collections
from server.conditions import MAX_CHARACTERS, MAX_WORDS, parse_conditions
from server.errors import ConfigurationError, InvalidParameter
from server.schema_check import differences
from server.search.params import House, parse_search, parse_text
from server.search.ranking import LEAST, Words, alike, score, take_apart

ROOT = Path(__file__).parents[2]
COLLECTIONS = read_collections(ROOT / "collections")


@pytest.fixture
def adresse() -> Collection:
    return next(c for c in COLLECTIONS if c.id == "adresse")


@pytest.mark.parametrize(
    ("text", "words", "house"),
    [
        ("Hauptstr. 5 Essen", "Hauptstr. Essen", House(5)),
        ("essen hauptstraße 5a", "essen hauptstraße", House(5, "a")),
        ("Haupt Str 5, 45127", "Haupt Str ,", House(5)),
        ("Hauptstr. 12 a, Essen", "Hauptstr. , Essen", House(12, "a")),
        ("Hauptstr. 12 Essen", "Hauptstr. Essen", House(12)),
        ("Hauptstr. 12-14 Essen", "Hauptstr. Essen", House(12, "", "-14")),
        ("Hauptstr. 12 – 14a", "Hauptstr.", House(12, "", "-14a")),
        ("12 Hauptstraße", "Hauptstraße", House(12)),
        ("Straße des 17. Juni", "Straße des 17. Juni", None),
        ("Straße des 17. Juni 4", "Straße des 17. Juni", House(4)),
        ("Köln", "Köln", None),
        ("45127 Essen", "Essen", None),
        ("45127", "45127", None),
        ("12", "12", None),
    ],
)
def test_the_house_number_is_taken_out_of_a_text(text: str, words: str, house: House | None) -> None:
    found, number = parse_text(text)
    assert (" ".join(found.split()), number) == (words, house)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({}, "nothing is searched for"),
        ({"q": ""}, "it has no letter and no digit"),
        ({"q": " ,.%"}, "it has no letter and no digit"),
        ({"q": "x" * (MAX_CHARACTERS + 1)}, "longer than 200 characters or 10 words"),
        ({"q": "x " * (MAX_WORDS + 1)}, "longer than 200 characters or 10 words"),
        ({"lon": "7"}, "a place needs lon and lat"),
        ({"lon": "7", "lat": "51", "q": "Essen"}, "a place needs lon and lat, and no q"),
        ({"lon": "7", "lat": "91"}, "it is no number of degrees from -90 to 90"),
        ({"lon": "nan", "lat": "51"}, "it is no number of degrees from -180 to 180"),
        ({"q": "Essen", "kind": "river"}, "Use some of: address, street, parcel, place"),
        (
            {"q": "Essen", "collections": "hausumring"},
            "Use some of: adresse, flurstueck, flurstueck_plus, gemeinde, kreis",
        ),
        ({"q": "Essen", "limit": "0"}, "Use 1 to 50"),
        ({"q": "Essen", "bbox": "7,51,6,52"}, "its sides are not in order"),
        ({"q": "Essen", "bbox": "7,51"}, "it is not four decimal numbers"),
    ],
)
def test_what_cannot_be_searched_for_is_told(given: dict[str, str], message: str) -> None:
    with pytest.raises(InvalidParameter) as caught:
        parse_search(COLLECTIONS, given)
    assert message in str(caught.value)


def test_q_of_a_collection_without_texts_is_refused() -> None:
    outlines = next(c for c in COLLECTIONS if c.id == "hausumring")
    with pytest.raises(InvalidParameter, match="'hausumring' has no texts to search"):
        parse_conditions(outlines, {"q": "Haupt"})


def test_q_is_part_of_what_a_cursor_is_bound_to(adresse: Collection) -> None:
    filtered = {"filter": "hnr='5'"}
    given = [{"q": "a"}, {"q": "b"}, filtered, {**filtered, "q": "a"}, {**filtered, "q": "b"}]
    conditions = [parse_conditions(adresse, parameters) for parameters in given]
    assert len({condition.identity for condition in conditions if condition}) == len(given)


def test_words_that_tell_what_a_place_is_are_no_part_of_its_name() -> None:
    kinds = frozenset({"kreis", "stadt"})
    assert take_apart("kreis unna", kinds) == Words(("unna",), frozenset({"kreis"}))
    assert take_apart("kreis", kinds) == Words(("kreis",))


def best(typed: str, *names: tuple[str, str]) -> str:
    """Of names with their places, the one that fits best."""
    words = Words(tuple(typed.split()))
    return max(names, key=lambda name: score(words, tuple(name[0].split()), tuple(name[1].split()), 0))[0]


def test_ranking() -> None:
    assert best("essen", ("essenerß", "koln"), ("essen", ""), ("hauptß", "essen")) == "essen"
    assert best("essen hauptß", ("essen", ""), ("hauptß", "essen"), ("alte hauptß", "essen")) == "hauptß"
    assert best("dusseldrof", ("dusseldorf", ""), ("dusselß", "erkrath")) == "dusseldorf"
    assert best("bahnh", ("bahnweg", "essen"), ("bahnhofß", "essen")) == "bahnhofß"
    assert score(Words(("zzz",)), ("essen",), (), 1) < LEAST
    assert 0 < score(Words(("essen",)), ("essen",), (), 1) <= 1


def test_likeness_is_counted_as_the_database_does() -> None:
    """Figures of select similarity(one, other)."""
    assert alike("essen", "essen") == 1
    assert round(alike("dusseldrof", "dusseldorf"), 6) == 0.466667
    assert alike("abc", "xyz") == 0


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ("text: [str, hausnummer]", "text.hausnummer names 'hausnummer', which is not among the properties"),
        ("text: [datum]", "text names 'datum', which is not of type string"),
        (
            "search: [{kind: street, name: strasse}]",
            "search.strasse names 'strasse', which is not among the properties",
        ),
        ("search: [{kind: river, name: str}]", "search.0.kind: Input should be 'place', 'street' or 'parcel'"),
        ("search: [{kind: parcel, name: str}]", "a parcel needs a part, and a key of four: Gemarkung, Flur, counter"),
        ("search: [{kind: street, nome: str}]", "search.0.nome: unknown key"),
    ],
)
def test_what_a_collection_declares_for_the_search_is_checked(tmp_path: Path, more: str, message: str) -> None:
    lines = (ROOT / "collections" / "adresse.yaml").read_text("utf-8").splitlines()
    start = next(number for number, line in enumerate(lines) if line.startswith("text:"))
    end = next(number for number, line in enumerate(lines) if line.startswith("tiles:"))
    (tmp_path / "adresse.yaml").write_text("\n".join([*lines[:start], more, *lines[end:]]), "utf-8")
    with pytest.raises(ConfigurationError) as caught:
        read_collections(tmp_path)
    assert message in str(caught.value)


def test_text_needs_an_index(adresse: Collection) -> None:
    found = differences(adresse, {}, {"geobasis.words(VARIADIC ARRAY[str, hnr])"})
    remedy = "create index on geobasis.adresse using gin (geobasis.words(str, hnr, adz, ott, gmd))"
    assert any("text needs an index of its words" in text and remedy in text for text in found)
    indexed = {"geobasis.words(VARIADIC ARRAY[str, hnr, adz, ott, gmd])"}
    assert not any("text needs an index" in text for text in differences(adresse, {}, indexed))
