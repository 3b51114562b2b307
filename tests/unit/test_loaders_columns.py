"""Columns on their way: the spatial key, text by blocks, checks of counts, PostgreSQL's binary format."""

import datetime as dt
from hashlib import sha256
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from loaders import delimited
from loaders.binary_copy import digest_fields, encode_fields, encode_rows
from loaders.checks import find_refusals, require_balance
from loaders.delimited import count_fields, read_rows
from loaders.errors import InvalidDelivery, LoadError
from loaders.report import Check, Counts, Reject
from loaders.spatial_key import hilbert_codes


def _hilbert(east: float, north: float) -> int:
    """The classic xy2d for one point."""
    x = min(max(int((east - 274_000) // 4), 0), 65_535)
    y = min(max(int((north - 5_568_000) // 4), 0), 65_535)
    code, s = 0, 32_768
    while s:
        rx, ry = int(x & s > 0), int(y & s > 0)
        code += s * s * ((3 * rx) ^ ry)
        if not ry:
            if rx:
                x, y = 65_535 - x, 65_535 - y
            x, y = y, x
        s //= 2
    return code


def test_hilbert_codes() -> None:
    rng = np.random.default_rng(1)
    east = np.concatenate([rng.uniform(270_000, 540_000, 500), [274_000, 536_143.999, 0, 1e9]])
    north = np.concatenate([rng.uniform(5_560_000, 5_840_000, 500), [5_568_000, 5_830_143.999, 0, 1e9]])
    codes = hilbert_codes(east, north).tolist()
    assert codes == [_hilbert(e, n) for e, n in zip(east.tolist(), north.tolist(), strict=True)]
    assert codes[-4] == 0


def test_neighbours_in_the_key_are_neighbours_in_the_plane() -> None:
    east, north = np.meshgrid(np.arange(274_002.0, 274_066, 4), np.arange(5_568_002.0, 5_568_066, 4))
    order = np.argsort(hilbert_codes(east.ravel(), north.ravel()))
    steps = np.abs(np.diff(east.ravel()[order])) + np.abs(np.diff(north.ravel()[order]))
    assert set(steps.tolist()) == {4.0}


def test_rows_across_blocks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Line numbers count on from block to block, whatever ends the lines, and broken lines move nothing."""
    monkeypatch.setattr(delimited, "BLOCK", 7)
    path = tmp_path / "a.txt"
    path.write_bytes(b"\xef\xbb\xbfa;1\r\n\nb;2\nc;3;4\n;\n" + "ö;ß\r\n".encode() + b"d;\xe4\r\ne;5")
    rows = list(read_rows(path, ("name", "value")))
    read = [
        (int(line), block.columns["name"][i].as_py(), block.columns["value"][i].as_py())
        for block in rows
        for i, line in enumerate(block.lines)
    ]
    assert read == [(1, "a", "1"), (3, "b", "2"), (5, None, None), (6, "ö", "ß"), (8, "e", "5")]
    assert [reject for block in rows for reject in block.rejects] == [
        Reject("a.txt", 4, "the line has 3 fields, it must have 2", "c;3;4", "lines"),
        Reject(
            "a.txt",
            7,
            "byte 0xe4 at position 3 is not UTF-8; in cp1252 it reads 'd;ä': the row must be UTF-8",
            "d;\\xe4",
            "encoding",
        ),
    ]
    assert count_fields(path) == 2


def test_line_without_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delimited, "BLOCK", 10)
    monkeypatch.setattr(delimited, "MAX_LINE", 100)
    path = tmp_path / "a.txt"
    path.write_bytes(b"x" * 1000)
    with pytest.raises(InvalidDelivery, match=r"a.txt holds a line of 100 bytes or more"):
        list(read_rows(path, ("name",)))


def test_binary_rows() -> None:
    columns = [
        pa.array(["ö", None, ""]),
        pa.array([1, None, -2], pa.int32()),
        pa.array([dt.date(2000, 1, 2), None, dt.date(1999, 12, 31)]),
        pa.array([True, None, False]),
        pa.array([1.5, None, -0.0]),
    ]
    null = b"\xff\xff\xff\xff"
    types = ["text", "int4", "date", "bool", "float8"]
    rows = bytes(encode_rows(5, encode_fields(columns[:2], types[:2]), encode_fields(columns[2:], types[2:])))
    assert rows == b"".join(
        [
            b"\x00\x05\x00\x00\x00\x02\xc3\xb6\x00\x00\x00\x04\x00\x00\x00\x01\x00\x00\x00\x04\x00\x00\x00\x01",
            b"\x00\x00\x00\x01\x01\x00\x00\x00\x08\x3f\xf8\x00\x00\x00\x00\x00\x00",
            b"\x00\x05" + null * 5,
            b"\x00\x05\x00\x00\x00\x00\x00\x00\x00\x04\xff\xff\xff\xfe\x00\x00\x00\x04\xff\xff\xff\xff",
            b"\x00\x00\x00\x01\x00\x00\x00\x00\x08\x80\x00\x00\x00\x00\x00\x00\x00",
        ]
    )


def test_digests() -> None:
    fields = encode_fields([pa.array(["a", "b", None, ""]), pa.array(["bc", "c", "", None])], ["text", "text"])
    expected = [
        sha256(part).digest()
        for part in (
            b"\0\0\0\1a\0\0\0\2bc",
            b"\0\0\0\1b\0\0\0\1c",
            b"\xff\xff\xff\xff\0\0\0\0",
            b"\0\0\0\0\xff\xff\xff\xff",
        )
    ]
    assert digest_fields(fields).to_pylist() == expected
    assert digest_fields(fields.slice(1, 2)).to_pylist() == expected[1:3]


def test_every_row_must_be_accounted_for() -> None:
    require_balance("adresse", Counts(read=5, inserted=1, updated=1, unchanged=1, rejected=1, duplicate=1))
    with pytest.raises(LoadError, match=r"The rows of adresse do not add up: read 5, but inserted 4 \+ updated 0"):
        require_balance("adresse", Counts(read=5, inserted=4))


def test_small_delivery_is_refused_only_from_the_official_source() -> None:
    checks = [Check("adresse", "min", False, "3 features, the manifest expects at least 4000000")]
    assert find_refusals(checks, official=False, accept_shrink=False) == []
    assert find_refusals(checks, official=True, accept_shrink=True) == [
        "adresse: 3 features, the manifest expects at least 4000000. "
        "Compare the delivery with the publisher's page; load a deliberate part with --from."
    ]
