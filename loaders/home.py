"""OPENNRW_HOME, the folder of what belongs to this machine, such as the YAML of collections and tables of one's own."""

import os
from pathlib import Path


def default_home() -> Path:
    """Folder for the private cluster, raw files and example data where OPENNRW_HOME is not set.

    PostgreSQL refuses root and cannot read below /root, so root's data live under /var/lib.
    """
    if os.geteuid() == 0:
        return Path("/var/lib/opennrw")
    return Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share") / "opennrw"


def own_folder(name: str) -> Path:
    """A folder in it: `collections` for what the server publishes besides its own, `statistics` for descriptions of
    tables.
    """
    return Path(os.environ.get("OPENNRW_HOME") or default_home()) / name
