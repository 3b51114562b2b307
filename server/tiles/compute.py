"""Tiles out of the database: the layer of a collection, several of them in one tile, neither too large."""

from collections.abc import Sequence
from dataclasses import dataclass

from psycopg.rows import TupleRow

from server.database import Reader
from server.editions import edition_at
from server.exchange import Context
from server.pyramid.sources import live_source, source_of
from server.state import State
from server.tiling.making import MAX_BYTES, WHOLE, Share, Wanted, fair_shares, layer_steps
from server.tiling.query import MAX_FEATURES, Form

# What a GeoJSON tile has around its features
COLLECTION_START, COLLECTION_END = b'{"type":"FeatureCollection","features":[', b"]}"


@dataclass(frozen=True)
class MadeLayer:
    """An MVT layer or GeoJSON features with commas between; left_out: number of the features that are not in it."""

    content: bytes
    features: int
    left_out: int
    state: State


@dataclass(frozen=True)
class MadeTile:
    """A tile and its layers; left_out: by collection, those of which all is there have no entry."""

    content: bytes
    left_out: dict[str, int]
    layers: tuple[MadeLayer, ...]


async def make_tile(context: Context, form: Form, wanted: Sequence[Wanted], layers: Sequence[MadeLayer]) -> MadeTile:
    """The layers of a tile as one; where they are too much together, the largest are made anew, smaller."""
    made = list(layers)
    overhead = len(COLLECTION_START) + len(COLLECTION_END) + len(made)
    sizes = fair_shares([len(layer.content) for layer in made], MAX_BYTES - overhead)
    counts = fair_shares([layer.features for layer in made], MAX_FEATURES)
    for number, (layer, size, count) in enumerate(zip(layers, sizes, counts, strict=True)):
        if len(layer.content) > size or layer.features > count:
            made[number] = await make_layer(context, wanted[number], Share(size, count))
    contents = [layer.content for layer in made if layer.content]
    content = b"".join(contents)
    if form == "json":
        content = COLLECTION_START + b",".join(contents) + COLLECTION_END
    left_out = {w.collection.id: layer.left_out for w, layer in zip(wanted, made, strict=True) if layer.left_out}
    return MadeTile(content, left_out, tuple(made))


async def make_layer(context: Context, wanted: Wanted, share: Share = WHOLE) -> MadeLayer:
    """The layer of a collection. Raises psycopg.DataError for a filter that cannot be computed, InvalidParameter
    for an asOf of a collection whose history is not kept, otherwise as `Database.fetch` does.
    """

    async def ask(state: State, reader: Reader) -> TupleRow | None:
        past = None
        if wanted.restriction.as_of:
            past = await edition_at(reader, wanted.collection, state, wanted.restriction.as_of)
        source = live_source(wanted.collection)
        if wanted.restriction.plain:
            source = source_of(wanted.collection, state, wanted.grid.srid, wanted.zoom)
        steps = layer_steps(wanted, state, source, past, share)
        try:
            step = next(steps)
            while True:
                row = await reader.fetch_one(
                    step.text, step.parameters, plan_by_values=step.plan_by_values, seconds=step.seconds
                )
                step = steps.send(row or ())
        except StopIteration as end:
            return end.value

    state, row = await context.registry.read(context.database, wanted.collection.id, ask)
    if row is None:
        return MadeLayer(b"", 0, 0, state)
    return MadeLayer(bytes(row[1] or b""), row[2], row[3], state)
