"""A parcel as people write it: `Rüttenscheid-39-40/2`, `053144 Flur 39 Flurstück 40`, or its mark, padded or not. Pure.

The mark (Flurstückskennzeichen) has 20 places: Land 2, Gemarkung 4, Flur 3, Zähler 5, Nenner 4, Folge 2.
"""

import re
from dataclasses import dataclass
from typing import Any

from psycopg import sql

from server.catalogue import Found

PLACES = 20
# Land, Gemarkung, Flur, Zähler; then perhaps Nenner, then perhaps Folge
MARK = re.compile(r"(\d{6}(?:\d{3}|___)\d{5})(\d{4}|_{4})?(\d{2}|_{2})?_*", re.ASCII)
NUMBERED = re.compile(
    r"""(?:(?:gemarkung|gem\.|gmk\.?)[\s:]+)?(?P<district>[^\s,;-].*?)[\s,;_-]+
        (?:(?:flur|fl\.?)[\s:]*)?(?P<flur>\d{1,3})[\s,;_-]+
        (?:(?:flurst(?:ü|ue)cke?|flurst\.?|flst\.?)?(?:[\s-]*nr\.?)?[\s:]*)?
        (?P<counter>\d{1,5})(?:\s*[/_]\s*(?P<divisor>\d{1,4}))?""",
    re.ASCII | re.IGNORECASE | re.VERBOSE,
)
CERTAIN = re.compile(r"\b(?:flur|flst)|- ?\d{1,3} ?- ?\d{1,5}$", re.ASCII | re.IGNORECASE)
KEY = re.compile(r"(?:05[\s-]?)?(\d{4})", re.ASCII)


@dataclass(frozen=True)
class Parcel:
    """`mark`: all places of it; otherwise `district`, the name or the six digits of a Gemarkung, `flur`, `counter`, and
    `divisor`, without which parcels with any divisor are meant; 0 says that there is none. `certain`: it can hardly
    mean anything else, as `Hauptstr. 12-14` does.
    """

    mark: str | None = None
    district: str = ""
    flur: int = 0
    counter: int = 0
    divisor: int | None = None
    certain: bool = True


def parse_parcel(text: str) -> Parcel | None:
    """What a text may mean as a parcel; None where it cannot be one."""
    bare = " ".join(text.split())
    if match := MARK.fullmatch(bare.replace(" ", "")):
        # registers pad what is missing with zeros, the publisher with underscores
        divisor = "____" if match[2] in {None, "0000"} else match[2]
        sequence = "" if match[3] in {None, "00"} else match[3]
        return Parcel(mark=(match[1] + divisor + sequence).ljust(PLACES, "_"))
    match = NUMBERED.fullmatch(bare)
    if match is None:
        return None
    key = KEY.fullmatch(match["district"])
    district = f"05{key[1]}" if key else match["district"]
    divisor = int(match["divisor"]) if match["divisor"] else None
    certain = bool(divisor is not None or key or CERTAIN.search(bare))
    return Parcel(None, district, int(match["flur"]), int(match["counter"]), divisor, certain)


def parcel_condition(found: Found, parcel: Parcel) -> tuple[sql.Composable, dict[str, Any]]:
    """SQL for the parcels that are meant, and what it binds. `found` names the columns: of the mark, of the name of the
    Gemarkung as `part`, and as `key` of its digits, the Flur, the counter and the divisor.
    """
    if parcel.mark:
        return sql.SQL("{} = %(c_mark)s").format(sql.Identifier(found.name)), {"c_mark": parcel.mark}
    key, flur, counter, divisor = map(sql.Identifier, found.key)
    named = sql.SQL('(geobasis.folded({}) collate "C") = geobasis.folded(%(c_district)s)')
    numbered = sql.SQL("{} = %(c_district)s")
    tests = [
        numbered.format(key) if parcel.district.isdecimal() else named.format(sql.Identifier(found.part or "")),
        sql.SQL("{} = %(c_flur)s and {} = %(c_counter)s").format(flur, counter),
    ]
    given: dict[str, Any] = {"c_district": parcel.district, "c_flur": parcel.flur, "c_counter": parcel.counter}
    if parcel.divisor == 0:
        tests.append(sql.SQL("{} is null").format(divisor))
    elif parcel.divisor is not None:
        tests.append(sql.SQL("{} = %(c_divisor)s").format(divisor))
        given["c_divisor"] = parcel.divisor
    return sql.SQL("({})").format(sql.SQL(" and ").join(tests)), given
