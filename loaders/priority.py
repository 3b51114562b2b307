"""A load that leaves the processor to readers: work that nobody waits for yields to work that somebody waits for.

On an idle machine a lowered priority costs nothing, so it needs no switch.
"""

import os
import socket
import struct
from contextlib import suppress
from pathlib import Path

from psycopg import Connection

NICE = 10  # a tenth of the share of a process of ordinary priority; at 19 a load under steady traffic hardly moves


def lower_own_priority() -> None:
    """Of this process. It cannot be raised again, so this is for processes that do nothing but load."""
    if not is_lowered():
        os.setpriority(os.PRIO_PROCESS, 0, NICE)


def is_lowered() -> bool:
    """Whether this process leaves the processor to others."""
    return os.getpriority(os.PRIO_PROCESS, 0) >= NICE


def lower_backend_priority(connection: Connection) -> bool:
    """Of the database's process behind the connection, where it runs on this machine and may be touched.

    True if it was. Its parallel workers would not inherit the priority, so it has none.
    """
    connection.execute("set max_parallel_workers_per_gather = 0")
    connection.execute("set max_parallel_maintenance_workers = 0")
    process = connection.info.backend_pid
    with suppress(OSError, ValueError):
        if _parent(process) == _listener(connection):
            os.setpriority(os.PRIO_PROCESS, process, NICE)
            return True
    return False


def _listener(connection: Connection) -> int:
    """The process that listens at the other end of a Unix socket, as this machine numbers it: the postmaster.

    The number that the backend has for itself means something else where the database runs in a container.
    """
    with socket.socket(fileno=os.dup(connection.fileno())) as end:
        if end.family != socket.AF_UNIX:
            raise OSError("the database was reached over the network")
        process, _, _ = struct.unpack("3i", end.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
    return process


def _parent(process: int) -> int:
    """From /proc/<pid>/stat, where the name stands in brackets and may hold blanks."""
    return int(Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[1])
