"""The example deliveries of `opennrw up --example`: written once, and anew after their generator changed."""

import hashlib
import shutil
from pathlib import Path

import loaders
from loaders.example.options import ExampleOptions
from loaders.example.write import write_deliveries

DATASETS = ("dvg1", "dvg2", "gebref", "hausumringe")
STAMP = ".generator"


def prepare_deliveries(folder: Path, options: ExampleOptions | None = None) -> bool:
    """Writes the invented town's deliveries to `folder`; False if they are there already."""
    options = options or ExampleOptions()
    stamp = _fingerprint(options)
    if (folder / STAMP).exists() and (folder / STAMP).read_text() == stamp:
        return False
    draft = folder.with_name(f"{folder.name}.draft")
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir(parents=True)
    write_deliveries(draft, options)
    (draft / STAMP).write_text(stamp)
    shutil.rmtree(folder, ignore_errors=True)
    draft.rename(folder)
    return True


def _fingerprint(options: ExampleOptions) -> str:
    """Changes with the options and with the generator's code."""
    digest = hashlib.sha256(repr(options).encode())
    for file in sorted((Path(loaders.__path__[0]) / "example").glob("*.py")):
        digest.update(file.read_bytes())
    return digest.hexdigest()
