"""What did not change is not fetched again, and what the store has is trusted only if it is whole."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from loaders.errors import SourceError

Fetching = Any
Publisher = Any
Faults = Any
CONTENT = b"PK" + bytes(5000)


def test_a_listed_file_is_known_by_name_size_and_timestamp(fetching: Fetching, publisher: Publisher) -> None:
    path = publisher.put(CONTENT)
    first = fetching()
    assert fetching() == first
    assert len(publisher.requests(path)) == 1
    assert fetching.heard.notes == ["1 of 1 files did not change and are not fetched"]
    assert fetching.heard.steps["fetch"] == [len(CONTENT), len(CONTENT)]
    publisher.put(CONTENT, timestamp="2026-07-02T00:00:00")
    assert fetching()[0].record.listed == "2026-07-02T00:00:00"
    assert len(publisher.requests(path)) == 2
    publisher.put(CONTENT[:-1] + b"!", timestamp="2026-07-03T00:00:00")
    assert fetching()[0].path.read_bytes().endswith(b"!")
    assert len(fetching.kept()) == 2


def test_a_file_of_another_address_is_another_file(fetching: Fetching, publisher: Publisher) -> None:
    """Anyone can list a name, a size and a time."""
    path = publisher.put(CONTENT)
    fetching()
    publisher.files["/anderswo/index.json"] = publisher.files["/lk/index.json"]
    publisher.files[path.replace("lk", "anderswo")] = type(publisher.files[path])(CONTENT[::-1])
    assert fetching("anderswo/")[0].path.read_bytes() == CONTENT[::-1]


@pytest.mark.parametrize("damage", ["changed", "cut", "gone"])
def test_a_file_that_was_damaged_in_the_store_is_fetched_anew(
    fetching: Fetching, publisher: Publisher, damage: str
) -> None:
    path = publisher.put(CONTENT)
    (file,) = fetching()
    if damage == "gone":
        file.path.unlink()
    else:
        file.path.write_bytes(CONTENT[::-1] if damage == "changed" else CONTENT[:-1])
    assert fetching()[0].path.read_bytes() == CONTENT
    assert len(publisher.requests(path)) == 2
    told = f"{file.path} is damaged; it is fetched anew" in fetching.heard.notes
    assert told == (damage == "changed")


@pytest.mark.parametrize("missing", [[], ["etag"], ["modified"], ["etag", "modified"]])
def test_the_address_of_a_file_is_asked_whether_it_changed(
    fetching: Fetching, publisher: Publisher, missing: list[str]
) -> None:
    path = publisher.put(CONTENT, name="adressen.zip")
    for name in missing:
        setattr(publisher.files[path], name, None)
    first = fetching(path[1:])
    second = fetching(path[1:])
    asked = publisher.requests(path)[1]
    if len(missing) == 2:
        assert not {"If-None-Match", "If-Modified-Since"} & asked.keys()
        assert second[0].record.sha256 == first[0].record.sha256
    else:
        assert asked["If-Modified-Since" if "etag" in missing else "If-None-Match"]
        assert second == first
    publisher.files[path].content = CONTENT[::-1]
    publisher.files[path].etag = '"2"'
    publisher.files[path].modified = "Sun, 19 Jul 2026 10:00:00 GMT"
    assert fetching(path[1:])[0].path.read_bytes() == CONTENT[::-1]


def test_the_address_of_a_file_goes_on_where_it_ended(
    fetching: Fetching, publisher: Publisher, faults: Faults, resource: Callable[..., Any]
) -> None:
    path = publisher.put(CONTENT, name="adressen.zip")
    publisher.fail(path, *[faults.truncate(1000)] * 3)
    with pytest.raises(SourceError):
        fetching(path[1:])
    assert fetching.parts() == [3000]
    assert fetching(path[1:])[0].path.read_bytes() == CONTENT
    assert publisher.requests(path)[-1]["Range"] == "bytes=3000-"
    publisher.files[path] = resource(CONTENT, '"2"')
    publisher.fail(path, *[faults.truncate(1000)] * 3)
    with pytest.raises(SourceError):
        fetching(path[1:])
    publisher.files[path] = resource(CONTENT[::-1], '"3"')
    assert fetching(path[1:])[0].path.read_bytes() == CONTENT[::-1]


def test_a_listing_without_timestamps_does_not_tell_versions_apart(fetching: Fetching, publisher: Publisher) -> None:
    path = publisher.put(CONTENT, timestamp=None)
    fetching()
    fetching()
    assert publisher.requests(path)[1]["If-None-Match"] == '"1"'


def test_a_local_file_is_copied_once(fetching: Fetching, tmp_path: Path) -> None:
    source = tmp_path / "copy" / "adressen.zip"
    source.parent.mkdir()
    source.write_bytes(CONTENT)
    (first,) = fetching(source)
    inode = first.path.stat().st_ino
    (second,) = fetching(source)
    assert (second.path, second.path.stat().st_ino) == (first.path, inode)
    first.path.write_bytes(CONTENT[::-1])
    (third,) = fetching(source)
    assert third.path.read_bytes() == CONTENT
    assert fetching.heard.steps["fetch"] == [len(CONTENT), len(CONTENT)]


def test_the_same_content_under_two_names_is_one_file(fetching: Fetching, publisher: Publisher, tmp_path: Path) -> None:
    publisher.put(CONTENT)
    (remote,) = fetching()
    source = tmp_path / "adressen.zip"
    source.write_bytes(CONTENT)
    (local,) = fetching(source)
    assert local.path != remote.path
    assert local.path.samefile(remote.path)
    assert sorted(path.name for path in fetching.store.glob("incoming/*")) == []
