"""Back to the state before a delivery, row by row, with honest provenance, and forth again."""

import json
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
import pytest

from loaders.errors import LoadError
from loaders.ledger import Record, trace
from loaders.progress import Quiet
from loaders.report import Counts, Report
from loaders.rollback import RollbackOptions, roll_back

Load = Callable[..., Report]
RollBack = Callable[..., Report]
Write = Callable[..., Path]
Address = Callable[..., str]
Deliver = Callable[..., Report]
Connection = psycopg.Connection[Any]

LIVE = "select l::text from geobasis.adresse l order by id"
HISTORY = "select h::text from history.adresse h order by id, valid_from"
TIMES = """
select id, delivery, valid_from, valid_to from history.adresse
union all select l.id, l.delivery, coalesce(max(r.finished), d.finished), null
  from geobasis.adresse l join provenance.delivery d on d.id = l.delivery
  left join provenance.restored v on v.collection = 'adresse' and (v.id, v.delivery) = (l.id, l.delivery)
  left join provenance.delivery r on r.id = v.rollback group by l.id, l.delivery, d.finished
order by id, valid_from
"""


@pytest.fixture
def roll_back_delivery(database_url: str) -> RollBack:
    return lambda delivery, **options: roll_back(delivery, RollbackOptions(database_url, **options))


@pytest.fixture
def deliver(load: Load, write_addresses: Write, address: Address) -> Deliver:
    """Loads addresses, columns by id: `deliver({"A1": {}, "A2": {"hnr": "4"}})`."""

    def run(addresses: dict[str, dict[str, str]], **options: Any) -> Report:
        lines = [address(oid, **columns) for oid, columns in addresses.items()]
        return load("gebref", write_addresses(*lines), accept_shrink=True, **options)

    return run


@pytest.fixture
def deliver_areas(load: Load, write_layer: Callable[..., Path], square: Callable[..., Any]) -> Callable[[str], Report]:
    """Loads the state and one district of that name."""

    def run(district: str) -> Report:
        for layer, art, name, key in (
            ("dvg1bld_nw", "L", "Nordrhein-Westfalen", "05000000"),
            ("dvg1krs_nw", "K", district, "05358000"),
        ):
            columns = {"ART": [art], "GN": [name], "KN": [key], "STAND": ["2026-01-01"]}
            folder = write_layer(layer, [square()], columns)
        return load("dvg1", folder, only=("land", "kreis"))

    return run


ONE = {"A1": {}, "A2": {}, "A3": {}, "A4": {"ostwert": "421000.5"}}
# A1 moves, A2 changes its number, A4 goes, A5 comes
TWO = {"A1": {"ostwert": "430000"}, "A2": {"hnr": "77"}, "A3": {}, "A5": {"ostwert": "421000.5"}}
THREE = {"A1": {"ostwert": "440000"}, "A3": {}, "A4": {"hnr": "5"}}


def read(connection: Connection, query: str = LIVE) -> list[Any]:
    return connection.execute(query.encode()).fetchall()


def require_seamless(connection: Connection) -> None:
    """No two versions of a feature are live at the same time, and none begins before it was made."""
    last: dict[str, Any] = {}
    for key, delivery, start, end in read(connection, TIMES):
        assert key not in last or last[key] <= start, f"{key} of delivery {delivery}"
        assert end is None or start < end
        last[key] = end


def test_former_state_returns(connection: Connection, deliver: Deliver, roll_back_delivery: RollBack) -> None:
    deliver(ONE)
    before, state = read(connection), read(connection, "select features, bbox, version from provenance.collection")
    deliver(TWO)
    report = roll_back_delivery(2)
    assert (report.status, report.delivery, report.rollback_of) == ("published", 3, 2)
    assert report.collections == {"adresse": Counts(read=3, inserted=1, updated=2, deleted=1)}
    assert read(connection) == before  # fid, attributes, digest, geometry and the delivery that made them
    features, bbox, version = read(connection, "select features, bbox, version from provenance.collection")[0]
    assert (features, bbox, version) == (state[0][0], state[0][1], 3)
    require_seamless(connection)


def test_history_of_what_was_rolled_back_is_kept(
    connection: Connection, deliver: Deliver, roll_back_delivery: RollBack
) -> None:
    deliver(ONE)
    deliver(TWO)
    kept = read(connection, HISTORY)
    roll_back_delivery(2)
    assert set(kept) <= set(read(connection, HISTORY))
    added = read(connection, "select id, delivery, ended_by from history.adresse where ended_by = 3 order by id")
    assert added == [("A1", 2, 3), ("A2", 2, 3), ("A5", 2, 3)]
    times = read(
        connection,
        """select h.id, h.valid_to = d.finished from history.adresse h join provenance.delivery d on d.id = 3
           where h.ended_by = 3""",
    )
    assert all(right for _, right in times)


def test_record_says_what_it_undid(connection: Connection, deliver: Deliver, roll_back_delivery: RollBack) -> None:
    deliver(ONE)
    deliver(TWO)
    roll_back_delivery(2)
    columns = "dataset, status, source, loader, rollback_of, digest, refusal"
    record = read(connection, f"select {columns} from provenance.delivery where id = 3")
    assert record == [("gebref", "published", "rollback of delivery 2", "gebref 1", 2, None, None)]
    assert read(connection, "select delivery from provenance.collection") == [(3,)]
    assert read(connection, "select count(*) from provenance.file where delivery = 3") == [(0,)]


def test_servers_and_jobs_are_told(connection: Connection, deliver: Deliver, roll_back_delivery: RollBack) -> None:
    deliver(ONE)
    deliver(TWO)
    connection.execute("listen opennrw_publication")
    roll_back_delivery(2)
    events = [json.loads(event.payload) for event in connection.notifies(timeout=5, stop_after=1)]
    assert events == [{"collection": "adresse", "version": 3}]


def test_repeated_it_goes_further_back(connection: Connection, deliver: Deliver, roll_back_delivery: RollBack) -> None:
    states: list[Any] = [read(connection)]
    for addresses in (ONE, TWO, THREE):
        deliver(addresses)
        states.append(read(connection))
    for delivery in (3, 2, 1):
        roll_back_delivery(delivery)
        assert read(connection) == states[delivery - 1], f"before delivery {delivery}"
    assert read(connection, "select features, bbox, version from provenance.collection") == [(0, None, 6)]
    require_seamless(connection)
    assert deliver(ONE).collections["adresse"].inserted == 4


def test_a_rollback_can_be_rolled_back(connection: Connection, deliver: Deliver, roll_back_delivery: RollBack) -> None:
    deliver(ONE)
    one = read(connection)
    deliver(TWO)
    two = read(connection)
    roll_back_delivery(2)
    roll_back_delivery(3)
    assert read(connection) == two
    require_seamless(connection)
    roll_back_delivery(2)  # in effect again, so it can be undone again
    assert read(connection) == one
    roll_back_delivery(5)
    roll_back_delivery(6)
    assert read(connection) == one
    require_seamless(connection)
    deliver(THREE)
    assert [row[0] for row in read(connection, "select id from geobasis.adresse order by id")] == ["A1", "A3", "A4"]
    require_seamless(connection)


def test_same_delivery_can_be_loaded_again(
    connection: Connection, deliver: Deliver, roll_back_delivery: RollBack
) -> None:
    deliver(ONE)
    deliver(TWO)
    roll_back_delivery(2)
    known = deliver(ONE)
    assert (known.status, known.delivery) == ("unchanged", None)
    again = deliver(TWO)
    assert (again.status, again.delivery) == ("published", 4)
    assert again.collections["adresse"] == Counts(read=4, inserted=1, updated=2, unchanged=1, deleted=1)
    assert deliver(TWO).delivery is None
    require_seamless(connection)


def test_former_files_are_known_for_every_collection(
    connection: Connection, deliver_areas: Callable[[str], Report], roll_back_delivery: RollBack
) -> None:
    deliver_areas("Düren")
    assert deliver_areas("Duren").collections["land"].changed is False
    report = roll_back_delivery(2)
    assert report.collections == {"kreis": Counts(read=1, updated=1), "land": Counts()}
    assert read(connection, "select collection, version from provenance.collection order by 1") == [
        ("kreis", 3),
        ("land", 1),
    ]
    assert deliver_areas("Düren").delivery is None
    assert deliver_areas("Duren").delivery == 4


def test_dry_run_changes_nothing(connection: Connection, deliver: Deliver, roll_back_delivery: RollBack) -> None:
    deliver(ONE)
    deliver(TWO)
    before = read(connection), read(connection, HISTORY)
    report = roll_back_delivery(2, dry_run=True)
    assert (report.status, report.delivery) == ("dry-run", None)
    assert report.collections["adresse"] == Counts(read=3, inserted=1, updated=2, deleted=1)
    assert (read(connection), read(connection, HISTORY)) == before
    assert read(connection, "select count(*) from provenance.delivery") == [(2,)]


def test_newer_deliveries_come_first(connection: Connection, deliver: Deliver, roll_back_delivery: RollBack) -> None:
    for addresses in (ONE, TWO, THREE):
        deliver(addresses)
    before = read(connection)
    with pytest.raises(
        LoadError,
        match=r"^Delivery 1 is not the newest: deliveries 2 and 3 came after it. "
        r"Roll back in this order: 3, then 2, then 1\.$",
    ):
        roll_back_delivery(1)
    roll_back_delivery(3)
    with pytest.raises(LoadError, match=r"^Delivery 1 is not the newest: delivery 2 came .*: 2, then 1\.$"):
        roll_back_delivery(1)
    with pytest.raises(LoadError, match=r"^Delivery 3 is not in effect in adresse: it was rolled back already\."):
        roll_back_delivery(3)
    roll_back_delivery(4)
    assert read(connection) == before


def test_what_changed_nothing_cannot_be_rolled_back(
    connection: Connection, load: Load, deliver: Deliver, roll_back_delivery: RollBack, write_addresses: Write
) -> None:
    deliver(ONE)
    with pytest.raises(LoadError, match=r"^There is no delivery 7\. See: opennrw deliveries$"):
        roll_back_delivery(7)
    with pytest.raises(LoadError):
        load("gebref", write_addresses("falsch"))
    with pytest.raises(LoadError, match=r"^Delivery 2 changed nothing.*: it was refused: gebref"):
        roll_back_delivery(2)
    deliver(dict(reversed(ONE.items())))  # other bytes, the same rows
    with pytest.raises(LoadError, match=r"^Delivery 3 changed nothing.*: it held nothing new$"):
        roll_back_delivery(3)


def test_altered_rows_stop_it(connection: Connection, deliver: Deliver, roll_back_delivery: RollBack) -> None:
    deliver(ONE)
    deliver(TWO)
    connection.execute("delete from geobasis.adresse where id = 'A5'")
    before = read(connection)
    with pytest.raises(
        LoadError,
        match=r"The rows of adresse do not add up: delivery 2 inserted 1, updated 2 and deleted 1 rows, "
        r"found are 0, 2 and 1\. Nothing was changed\..*restore them from a backup",
    ):
        roll_back_delivery(2)
    assert read(connection) == before


class AtStep(Quiet):
    """Does something when a step begins."""

    def __init__(self, name: str, action: Callable[[], object]) -> None:
        self.name = name
        self.action = action

    def step(self, name: str, total: int | None, unit: str = "") -> None:
        if name == self.name:
            self.action()


def test_it_waits_for_a_running_load(deliver: Deliver, roll_back_delivery: RollBack) -> None:
    deliver(ONE)
    deliver(TWO)
    waiting = threading.Event()
    progress = AtStep("wait for another load of gebref", waiting.set)
    outcomes: list[object] = []

    def undo() -> None:
        try:
            outcomes.append(roll_back_delivery(2, progress=progress))
        except LoadError as error:
            outcomes.append(str(error))

    thread = threading.Thread(target=undo)

    def start() -> None:
        thread.start()
        assert waiting.wait(20)

    assert deliver(THREE, progress=AtStep("publish", start)).status == "published"
    thread.join(20)
    assert outcomes == ["Delivery 2 is not the newest: delivery 3 came after it. Roll back in this order: 3, then 2."]


@pytest.mark.parametrize("step", ["compare", "publish"])
def test_lost_connection(connection: Connection, deliver: Deliver, roll_back_delivery: RollBack, step: str) -> None:
    deliver(ONE)
    deliver(TWO)
    before = read(connection), read(connection, HISTORY)
    end = "select pg_terminate_backend(pid, 5000) from pg_stat_activity where application_name = 'opennrw rollback 2'"
    with pytest.raises(LoadError, match=r"The database broke off the rollback: .*What was live is live still"):
        roll_back_delivery(2, progress=AtStep(step, lambda: connection.execute(end).fetchall()))
    assert (read(connection), read(connection, HISTORY)) == before
    assert roll_back_delivery(2).delivery == 3


@pytest.fixture
def two_packages(connection: Connection, deliver: Deliver) -> None:
    """Delivery 2 is of package A and removes A2, the last of its place; delivery 3, of B, fills the gap."""
    deliver({"A1": {}, "A2": {}, "A9": {"ostwert": "430000"}})
    deliver({"A1": {}, "A9": {"ostwert": "430000"}})
    deliver({"A1": {}, "A9": {"ostwert": "430000"}, "B1": {}})
    connection.execute("update provenance.delivery set packages = array[chr((63 + id)::int)] where id > 1")


@pytest.mark.usefixtures("two_packages")
def test_packages_are_rolled_back_by_themselves(connection: Connection, roll_back_delivery: RollBack) -> None:
    assert read(connection, "select fid & 15 from geobasis.adresse where id = 'B1'") == [(2,)]
    assert roll_back_delivery(2).packages == ["A"]
    places = read(connection, "select id, fid & 15, delivery from geobasis.adresse order by id")
    assert places == [("A1", 1, 1), ("A2", 3, 1), ("A9", 1, 1), ("B1", 2, 3)]
    roll_back_delivery(3)
    assert [row[0] for row in read(connection, "select id from geobasis.adresse order by id")] == ["A1", "A2", "A9"]
    require_seamless(connection)


@pytest.mark.usefixtures("two_packages")
def test_the_whole_product_is_newer_than_its_packages(roll_back_delivery: RollBack) -> None:
    with pytest.raises(LoadError, match=r"Roll back in this order: 3, then 2, then 1\.$"):
        roll_back_delivery(1)


def test_course_of_a_collection() -> None:
    course = trace([Record(1), Record(2), Record(3, 2), Record(4), Record(5, 4), Record(6, 5), Record(7, 6)])
    assert course.now == 1
    assert [course.newer_than(n) for n in (1, 2, 4, 5, 7)] == [[], None, None, [], []]
    assert course.newer_than(6) is None
    assert trace([]).now is None
