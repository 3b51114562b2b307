"""Settings of the private cluster that depend on the machine: memory, shared memory, disk."""

import os
import shutil
from pathlib import Path

MEGABYTE = 1024 * 1024
# PostgreSQL keeps the hash tables of parallel queries in /dev/shm; a container's usual 64 MB is too small for 3 M rows
SMALL_SHM = 512 * MEGABYTE


def memory_limit(cgroup: Path = Path("/sys/fs/cgroup/memory.max")) -> int:
    """Bytes this process may count on: the machine's memory or its container's limit."""
    physical = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    try:
        return min(physical, int(cgroup.read_text()))
    except (OSError, ValueError):  # no cgroup, or `max`
        return physical


def tuned(memory: int, shm: Path = Path("/dev/shm")) -> dict[str, str]:  # noqa: S108 (only its size is read)
    """PostgreSQL settings for a machine with so many bytes of memory that it shares with the server."""
    small_shm = not shm.exists() or shutil.disk_usage(shm).total < SMALL_SHM
    return {
        "shared_buffers": _megabytes(memory // 8, 64, 4096),
        "effective_cache_size": _megabytes(memory // 2, 128, 65536),
        "maintenance_work_mem": _megabytes(memory // 16, 64, 1024),
        "work_mem": _megabytes(memory // 256, 8, 64),
        "dynamic_shared_memory_type": "mmap" if small_shm else "posix",
        "random_page_cost": "1.1",
        "max_wal_size": "4GB",
        "checkpoint_timeout": "15min",
        # nobody copies this cluster's log: a table that a load builds anew is written to its files alone
        "wal_level": "minimal",
        "max_wal_senders": "0",
    }


def _megabytes(size: int, least: int, most: int) -> str:
    return f"{min(max(size // MEGABYTE, least), most)}MB"
