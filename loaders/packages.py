"""Products that come in packages, such as one file per district: each replaces its own features and no others.

Which package a file holds says the group `package` of the manifest's file pattern; which features belong to it, a
column of theirs that begins with that key.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from psycopg import Connection, sql

from loaders.archive import list_members
from loaders.checks import LEAST_SHARE
from loaders.errors import InvalidDelivery
from loaders.manifest import Manifest
from loaders.report import Check
from loaders.table import Table

COUNTS = """
select p.package, (select count(*) from {staged} s where starts_with(s.{column}, p.package)),
  (select count(*) from {live} s where starts_with(s.{column}, p.package))
from unnest(%(packages)s::text[]) as p (package) order by 1
"""
# the same where the column is the key itself
COUNTS_OF_KEYS = """
with staged as (select s.{column} as package, count(*) as n from {staged} s group by 1),
live as (
  select s.{column} as package, count(*) as n from {live} s where s.{column} = any(%(packages)s::text[]) group by 1
)
select p.package, coalesce(s.n, 0), coalesce(l.n, 0)
from unnest(%(packages)s::text[]) as p (package) left join staged s using (package) left join live l using (package)
order by 1
"""


@dataclass(frozen=True)
class Scope:
    """The live features that a delivery replaces: all, or those of its packages. True where it is packages.

    `within` is the condition for a row, live or staged, that the query calls `s`. `dates`: where packages share
    objects, the column of each collection that says which is the newest; there, the column of the package is its key
    itself. `few`: how many features a package may lose in any case.
    """

    name: str | None = None
    packages: tuple[str, ...] = ()
    dates: Mapping[str, str] = field(default_factory=dict)
    few: int = 0

    def __bool__(self) -> bool:
        return self.name is not None

    @property
    def column(self) -> sql.Composable:
        """The column that begins with a package's key."""
        return sql.SQL("s.{}").format(sql.Identifier(self.name)) if self.name else sql.SQL("''")

    @property
    def within(self) -> sql.Composable:
        """Whether the row belongs to the delivery's packages."""
        if not self:
            return sql.SQL("true")
        if self.dates:
            # of thousands, one list is looked through quickly, and so many tests are not
            return sql.SQL("{} = any({}::text[])").format(self.column, sql.Literal(list(self.packages)))
        tests = [sql.SQL("starts_with({}, {})").format(self.column, sql.Literal(key)) for key in self.packages]
        return sql.SQL("({})").format(sql.SQL(" or ").join(tests))

    @property
    def values(self) -> dict[str, Any]:
        """Parameters for the texts that tell of the scope."""
        return {"column": self.name, "packages": ", ".join(self.packages)}


def package_of(name: str, manifest: Manifest) -> str | None:
    """The key of the package that a file's name tells; None where it does not, or the product has no packages."""
    if manifest.packages is None:
        return None
    patterns = (manifest.file, manifest.packages.member or manifest.file)
    found = [match["package"] for pattern in patterns if (match := re.fullmatch(pattern, name))]
    return next((package for package in found if package), None)


def read_package(path: Path, manifest: Manifest, origins: Mapping[str, str]) -> str:
    """The package of an unpacked file, by its name or by that of the archive it was in. Raises InvalidDelivery."""
    for name in (path.name, origins.get(path.name, "")):
        if package := package_of(name, manifest):
            return package
    raise _untold(path.name, manifest)


def find_packages(files: Mapping[str, Path | None], manifest: Manifest) -> tuple[str, ...]:
    """The packages that the delivered files hold, sorted; empty for a product without packages.

    `files`: their names, and where they are, if they are here already. Raises InvalidDelivery for a file whose package
    cannot be told: its features would replace others'.
    """
    if manifest.packages is None:
        return ()
    keys = {name: package_of(name, manifest) or _package_within(path, manifest) for name, path in files.items()}
    unknown = sorted(name for name, key in keys.items() if not key)
    if unknown:
        raise _untold(unknown[0], manifest)
    return tuple(sorted({key for key in keys.values() if key}))


def _package_within(path: Path | None, manifest: Manifest) -> str | None:
    """The package of an archive whose members agree on one."""
    if path is None or path.suffix.lower() != ".zip" or not (manifest.packages and manifest.packages.member):
        return None
    keys = {key for name in list_members(path) if (key := package_of(name, manifest))}
    return keys.pop() if len(keys) == 1 else None


def _untold(name: str, manifest: Manifest) -> InvalidDelivery:
    return InvalidDelivery(
        "files",
        f"{name} does not say which package it holds: the file's name must be like '{manifest.file}'. "
        "Give the file under the publisher's name.",
    )


def to_scope(manifest: Manifest, packages: tuple[str, ...]) -> Scope:
    """What a delivery of these packages replaces."""
    if manifest.packages is None:
        return Scope()
    shared = manifest.packages.shared
    dates = {name: source.date for name, source in manifest.collections.items() if shared and source.date}
    return Scope(manifest.packages.column, packages, dates, manifest.packages.few)


def check_packages(connection: Connection, table: Table, scope: Scope) -> list[Check]:
    """No package may shrink much, however large the others are. `staged` must be compared already."""
    counts = COUNTS_OF_KEYS if scope.dates else COUNTS
    query = sql.SQL(counts).format(staged=table.staged, live=table.live, column=sql.Identifier(str(scope.name)))
    counts = connection.execute(query, {"packages": list(scope.packages)}).fetchall()
    failed = [
        f"package {package}: {usable} features, {live} are live"
        for package, usable, live in counts
        if not usable or (usable < LEAST_SHARE * live and live - usable > scope.few)
    ]
    detail = "; ".join(failed) if failed else f"{len(counts)} packages"
    rule = f"; a package must hold at least {LEAST_SHARE:.0%} of them" if failed else ""
    return [Check(table.collection, "shrink", not failed, detail + rule)]
