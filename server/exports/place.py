"""Where files are on this machine, and what a server needs of them."""

import asyncio
from dataclasses import dataclass
from pathlib import Path

from server.exports.cuts import Cuts
from server.exports.shelf import Shelf
from server.settings import Settings

FOLDER = "downloads"
GIGABYTE = 1_000_000_000
TURNS = 2


@dataclass(frozen=True)
class Place:
    """The files that one worker process offers; `turns`: how many it makes at once itself."""

    shelf: Shelf
    cuts: Cuts
    turns: asyncio.Semaphore


def make_place(settings: Settings) -> Place:
    """The place that the settings name; nothing is touched yet."""
    return Place(shelf_of(settings), cuts_of(settings), asyncio.Semaphore(TURNS))


def shelf_of(settings: Settings) -> Shelf:
    """The files of whole collections."""
    return Shelf(_folder(settings))


def cuts_of(settings: Settings) -> Cuts:
    """The parts that were asked for."""
    return Cuts(_folder(settings), int(settings.downloads_space * GIGABYTE))


def _folder(settings: Settings) -> Path:
    return settings.home / FOLDER
