"""SQL of a batch of features in a format, and of how far a long answer reaches. Pure.

Both are pages without the features' GeoJSON: `page.to_page` makes their cursors.
"""

from functools import lru_cache

from psycopg import sql

from server.features.query import Shape, key_of, rows_of, sorted_rows
from server.formats.layer import Layer
from server.formats.table import BY_KEY

KEYS = 6  # columns before those of the format
COLLECTION = sql.SQL("left join provenance.collection c on c.collection = %(name)s")


@lru_cache(maxsize=1024)
def batch_text(shape: Shape, key: str) -> bytes:
    """SQL text of a batch in the format of that key.

    Its one row: version and number of features of the collection, null, key of the first and of the last row read,
    number of rows, then the format's columns. There is one row more than the limit where another batch follows; the
    columns are without it. PostgreSQL keeps references to large geometries, not copies of them.
    """
    columns = BY_KEY[key].columns(Layer(shape.collection, shape.crs, shape.selection))
    return (
        sql.SQL(
            """
with page as materialized ({page})
select c.version, c.features, null, k.first, k.last, k.found, f.*
from ({keys}) k cross join (select {columns} from ({wanted}) t) f
{collection}"""
        )
        .format(page=_page(shape), keys=_keys(shape), columns=columns, wanted=_wanted(shape), collection=COLLECTION)
        .as_bytes()
    )


@lru_cache(maxsize=512)
def span_text(shape: Shape) -> bytes:
    """The same without columns: how many features there are up to the limit, and where they end."""
    return (
        sql.SQL(
            """
with page as ({page})
select c.version, c.features, null, k.first, k.last, k.found
from ({keys}) k {collection}"""
        )
        .format(page=_page(shape), keys=_keys(shape), collection=COLLECTION)
        .as_bytes()
    )


def _page(shape: Shape) -> sql.Composable:
    if not shape.sort:
        return rows_of(shape)
    return sql.SQL("select rows.*, row_number() over () as place from ({}) rows").format(sorted_rows(shape))


def _keys(shape: Shape) -> sql.Composable:
    if not shape.sort:
        return sql.SQL("select min(fid) as first, max(fid) as last, count(*) as found from page")
    return sql.SQL(
        "select min({key}) filter (where t.place = 1) as first, "
        "min({key}) filter (where t.place = %(rows)s) as last, count(*) as found from page t"
    ).format(key=key_of(shape))


def _wanted(shape: Shape) -> sql.Composable:
    """The rows up to the limit in the order of the page; those of a previous page were read backwards."""
    if shape.sort:
        order = sql.SQL("place desc" if shape.backward else "place")
        return sql.SQL("select * from page where place < %(rows)s order by {}").format(order)
    wanted = sql.SQL("select * from page limit %(rows)s - 1")
    return sql.SQL("select * from ({}) p order by fid").format(wanted) if shape.backward else wanted
