"""Reads a delivery, or damaged copies of it one after the other, each from a seed; run as a process of its own.

    python read_corpus.py whole <dataset> <delivery>
    python read_corpus.py damaged <dataset> <delivery> <file in it> <number of copies>

Prints a line of JSON per copy before and after it is read, and last the peak of memory. The copy is read by the
loader's own code, from unpacking to rows that are ready for the database, which is not needed here.
"""

import importlib
import json
import random
import shutil
import sys
import tempfile
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
import shapely

from loaders.batch import Batch, Mask
from loaders.context import Context
from loaders.delivery import unpack_delivery
from loaders.errors import InvalidDelivery
from loaders.fingerprint import Prints, salt
from loaders.manifest import Manifest, read_manifest
from loaders.report import FileRecord, Reject
from loaders.store import StoredFile

EDGES = (0, 1, 0x7F, 0x80, 0xFF, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)


class Collected:
    """Takes rows and counts them; what it is given must be fit for the database.

    `knowing`: the loader is to look each record up, none of which is known.
    """

    def __init__(self, *, knowing: bool) -> None:
        self.knowing = knowing
        self.counted = 0
        self.taken = 0
        self.rules: Counter[str] = Counter()

    def salt(self, manifest: Manifest, collection: str, *circumstances: object) -> bytes:
        return salt(manifest, collection, *circumstances)

    def knows(self, collection: str) -> bool:
        return self.knowing

    def recognise(self, collection: str, prints: Prints) -> Mask:
        assert prints.any(axis=1).all()
        return np.zeros(len(prints), np.bool_)

    def transform(self, wkb: pa.Array, srid: int, target: int) -> pa.Array:
        raise AssertionError("no delivery of the corpus is in another CRS")

    def place(self, srid: int, point: tuple[float, float], target: int) -> tuple[float, float]:
        raise AssertionError("no delivery of the corpus is in another CRS")

    def count(self, collection: str, rows: int) -> None:
        self.counted += rows

    def leave_out(self, collection: str, rows: int, reason: str) -> None:
        assert rows >= 0

    def write(self, collection: str, batch: Batch, rejects: Sequence[Reject]) -> None:
        shapes = shapely.from_wkb(batch.geometries.ewkb.to_numpy(zero_copy_only=False))
        assert shapely.is_valid(shapes).all()
        assert set(shapely.get_type_id(shapes).tolist()) <= {
            shapely.GeometryType.POINT,
            shapely.GeometryType.MULTIPOLYGON,
        }
        for column in batch.attributes.values():
            column.validate(full=True)
            assert len(column) == len(batch.lines)
        assert all(reject.reason and reject.line >= 1 and reject.file for reject in rejects)
        self.taken += len(batch.lines) + len(rejects)
        self.rules.update(reject.rule for reject in rejects)


def damage(content: bytes, rnd: random.Random) -> bytes:
    """One to four damages: other bytes, edge values, pieces cut out, doubled or blanked, another end."""
    data = bytearray(content)
    for _ in range(rnd.randint(1, 4)):
        # heads are where a byte does most harm
        at = rnd.randrange(min(len(data), rnd.choice([40, 120, 400, len(data)])))
        size = rnd.choice([1, 2, 4, 8, 100])
        way = rnd.randrange(7)
        if way <= 1:
            data[at] = rnd.randrange(256)
        elif way <= 3:
            data[at : at + 4] = rnd.choice(EDGES).to_bytes(4, rnd.choice(["little", "big"]))
        elif way == 4:
            data[at : at + size] = rnd.choice([b"", data[at : at + size] * 2, bytes(size), b"\xff" * size])
        elif way == 5:
            del data[rnd.randrange(1, len(data)) :]
        else:
            data += rnd.randbytes(size)
    return bytes(data)


def read(dataset: str, folder: Path, *, knowing: bool = False) -> dict[str, object]:
    """What becomes of a delivery: refused by a rule, or so many rows with so many rejects by rule."""
    manifest, collected = read_manifest(dataset), Collected(knowing=knowing)
    wanted = manifest.select(())[:1] if dataset.startswith("dvg") else manifest.select(())
    stored = [
        StoredFile(FileRecord(path.name, str(path), path.stat().st_size, "", None, datetime.now(UTC)), path)
        for path in sorted(folder.iterdir())
    ]
    with tempfile.TemporaryDirectory() as target:
        try:
            unpacked = unpack_delivery(manifest, stored, Path(target))
            loader = importlib.import_module(f"loaders.{dataset}.load").load
            loader(Context(manifest, unpacked.files, wanted, collected))
        except InvalidDelivery as error:
            return {"refused": error.rule, "text": str(error)}
    return {"counted": collected.counted, "taken": collected.taken, "rejected": dict(collected.rules)}


def read_damaged(dataset: str, delivery: str, name: str, copies: int) -> None:
    original = (Path(delivery) / name).read_bytes()
    for seed in range(copies):
        with tempfile.TemporaryDirectory() as scratch:
            folder = Path(scratch) / "delivery"
            shutil.copytree(delivery, folder)
            (folder / name).write_bytes(damage(original, random.Random(f"{name} {seed}")))
            print(json.dumps({"seed": seed}), flush=True)
            outcome = read(dataset, folder)
            assert seed % 4 or read(dataset, folder, knowing=True) == outcome
            print(json.dumps(outcome), flush=True)


def main(way: str, dataset: str, delivery: str, name: str = "", copies: str = "0") -> None:
    if way == "damaged":
        read_damaged(dataset, delivery, name, int(copies))
    else:
        print(json.dumps({"seed": "none"}), flush=True)
        print(json.dumps(read(dataset, Path(delivery))), flush=True)
    print(json.dumps({"peak": peak_memory()}))


def peak_memory() -> int:
    """Bytes; of this program alone: getrusage counts what the process held before it became this program, too."""
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) << 10


if __name__ == "__main__":
    main(*sys.argv[1:])
