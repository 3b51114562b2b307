"""/search as people use it: whole addresses, each letter of one, misspelled ones, what is at a place."""

import http.client
import json
import random
import statistics
import time
from dataclasses import dataclass
from urllib.parse import urlencode

import psycopg
from psycopg.rows import class_row
from tools import HTTP_PORT, Table, percentile

SAMPLE = """
select t.id, t.str as street, concat(t.hnr, t.adz) as number, t.gmd as town, ST_X(p.geom) as lon, ST_Y(p.geom) as lat
from geobasis.adresse t cross join lateral (select ST_Transform(t.geom, 4326) as geom) p
where t.str is not null and t.hnr is not null order by md5(t.id) limit %s"""
ADDRESSES = 400
SHORTEST = 3  # letters after which suggestions are asked for
OFF = 2e-4  # degrees that a place is beside its address


@dataclass(frozen=True)
class Address:
    """An address of the bench, with its place in degrees."""

    id: str
    street: str
    number: str
    town: str
    lon: float
    lat: float

    @property
    def text(self) -> str:
        """As people write it."""
        return f"{self.street} {self.number} {self.town}"


# The id of the address that is meant, empty where there is none; what is asked
Request = tuple[str, dict[str, str]]


def measure_search(connection: psycopg.Connection[tuple[object, ...]], seconds: int) -> None:
    """One client, one request after the other, each kind for so many seconds; no two requests are the same."""
    with connection.cursor(row_factory=class_row(Address)) as cursor:
        addresses = cursor.execute(SAMPLE, [ADDRESSES]).fetchall()
    if not addresses:
        raise SystemExit("The collection adresse is empty.")
    table = Table("/search, one client (ms)", "asked", "n", "p50", "p99", "most", "the right one is first")
    for name, requests in search_requests(addresses).items():
        spent, right = run_requests(requests, seconds)
        known = [hit for hit in right if hit is not None]
        share = f"{sum(known) / len(known):.0%}" if known else "–"
        table.row(name, str(len(spent)), statistics.median(spent), percentile(spent, 0.99), max(spent), share)


def search_requests(addresses: list[Address]) -> dict[str, list[Request]]:
    """What is asked for, by kind."""
    chance = random.Random(1)
    beginnings = [a.text[:end] for a in addresses for end in range(SHORTEST, len(a.text))]
    chance.shuffle(beginnings)
    return {
        "address": [(a.id, {"q": a.text}) for a in addresses],
        "beginning of an address": [("", {"q": text}) for text in dict.fromkeys(beginnings)],
        "misspelled": [(a.id, {"q": misspelled(a.text, len(a.street), chance)}) for a in addresses],
        "place": [("", beside(a, chance)) for a in addresses],
    }


def beside(address: Address, chance: random.Random) -> dict[str, str]:
    """A place near an address."""
    return {
        name: f"{value + chance.uniform(-OFF, OFF):.6f}" for name, value in (("lon", address.lon), ("lat", address.lat))
    }


def misspelled(text: str, length: int, chance: random.Random) -> str:
    """Two letters in the middle of the street's name have changed their places."""
    at = chance.randrange(1, max(2, length - 2))
    return text[:at] + text[at + 1] + text[at] + text[at + 2 :]


def run_requests(requests: list[Request], seconds: int) -> tuple[list[float], list[bool | None]]:
    """Milliseconds of each, until all are done or the time is over, and whether the first answer is the right one."""
    connection = http.client.HTTPConnection("127.0.0.1", HTTP_PORT)
    spent, right = [], []
    until = time.monotonic() + seconds
    for wanted, parameters in requests:
        if spent and time.monotonic() > until:
            break
        began = time.perf_counter()
        connection.request("GET", f"/search?{urlencode(parameters)}")
        answer = connection.getresponse()
        content = answer.read()
        spent.append((time.perf_counter() - began) * 1000)
        if answer.status != 200:
            raise SystemExit(f"{parameters}: {answer.status} {content.decode()}")
        features = json.loads(content)["features"]
        right.append(bool(features and str(features[0]["id"]).endswith(wanted)) if wanted else None)
    return spent, right
