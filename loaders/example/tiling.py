"""Cells that tile the invented region, with frayed borders both neighbours share vertex by vertex."""

import heapq
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import shapely

from loaders.example.noise import Floats, Ints, Warp, waves

Vertex = tuple[float, float]
BORDER_STEP = 25.0  # metres between the vertices of a border


@dataclass(frozen=True)
class Mesh:
    """Voronoi cells of `sites` inside the region. `edges` maps a pair of vertices to its one or two cells."""

    sites: Floats
    rings: list[list[Vertex]]
    edges: dict[tuple[Vertex, Vertex], list[int]]
    river_side: Ints

    def crosses_river(self, one: int, other: int) -> bool:
        return bool(self.river_side[one] * self.river_side[other] < 0)


def make_mesh(rng: np.random.Generator, centre: Vertex, area: float, spacing: float) -> Mesh:
    """Cells about `spacing` metres wide that fill a lobed blob of `area` square metres; a river runs through."""
    radius = np.sqrt(area / np.pi)
    bend = rng.uniform(0, 2 * np.pi, 3)

    def river(along: Floats) -> Floats:
        turns = np.array([0.16, 0.07, 0.03]) * np.sin(np.outer(along / radius, (2.1, 5.3, 11.0)) + bend)
        return turns.sum(axis=1) * radius

    sites, side = _sites(rng, radius, spacing, river)
    lobes = rng.uniform(0, 2 * np.pi, 3)
    angle = np.arctan2(sites[:, 1], sites[:, 0])
    lobed = np.array([0.16, 0.10, 0.05]) * np.sin(np.outer(angle, (2, 3, 5)) + lobes)
    inside = np.hypot(sites[:, 0], sites[:, 1]) < radius * (1 + lobed.sum(axis=1))
    cells = shapely.get_parts(shapely.voronoi_polygons(shapely.multipoints(sites), ordered=True))
    kept = np.flatnonzero(inside)
    rings = [_ring(cells[i], centre) for i in kept]
    edges: dict[tuple[Vertex, Vertex], list[int]] = {}
    for cell, ring in enumerate(rings):
        for start, end in zip(ring, ring[1:] + ring[:1], strict=True):
            edges.setdefault((min(start, end), max(start, end)), []).append(cell)
    return Mesh(sites[kept] + centre, rings, edges, side[kept])


def _sites(
    rng: np.random.Generator, radius: float, spacing: float, river: Callable[[Floats], Floats]
) -> tuple[Floats, Ints]:
    """Jittered points, and mirrored pairs along the river so that cells end at its middle; -1/1 tells its banks."""
    reach = 1.35 * radius + 3 * spacing
    ticks = np.arange(-reach, reach, spacing)
    grid = np.stack(np.meshgrid(ticks, ticks), axis=-1).reshape(-1, 2)
    grid += rng.uniform(-0.42, 0.42, grid.shape) * spacing
    offset = grid[:, 1] - river(grid[:, 0])
    grid = grid[np.abs(offset) > 0.95 * spacing]
    along = np.arange(-reach, reach, 0.6 * spacing)
    middle = np.column_stack([along, river(along)])
    slope = np.gradient(middle[:, 1], along)
    normal = np.column_stack([-slope, np.ones_like(slope)]) / np.hypot(slope, 1)[:, None]
    banks = [middle + sign * 0.45 * spacing * normal for sign in (1, -1)]
    sites = np.concatenate([grid, *banks])
    side = np.concatenate([np.sign(grid[:, 1] - river(grid[:, 0])), np.ones(along.size), -np.ones(along.size)])
    return sites, side.astype(np.int64)


def _ring(cell: shapely.Geometry, centre: Vertex) -> list[Vertex]:
    """Counter-clockwise vertices in whole millimetres, none twice in a row."""
    coords = np.round(shapely.get_coordinates(shapely.normalize(cell))[:-1] + centre, 3)[::-1]
    ring = [(float(x), float(y)) for x, y in coords]
    return [vertex for before, vertex in zip(ring[-1:] + ring[:-1], ring, strict=True) if before != vertex]


def grow(mesh: Mesh, starts: list[int], speeds: Floats, rng: np.random.Generator) -> Ints:
    """Owner of every cell: territories grow from their start cells over neighbours, at their speed, not over the river.

    A territory is always in one piece because it only grows into its own neighbours.
    """
    neighbours: list[list[tuple[int, float]]] = [[] for _ in mesh.rings]
    for cells in mesh.edges.values():
        if len(cells) == 2:
            one, other = cells
            length = float(np.hypot(*(mesh.sites[one] - mesh.sites[other]))) * rng.uniform(0.55, 1.45)
            length *= 60 if mesh.crosses_river(one, other) else 1
            neighbours[one].append((other, length))
            neighbours[other].append((one, length))
    owner = np.full(len(mesh.rings), -1, dtype=np.int64)
    queue = [(0.0, cell, territory) for territory, cell in enumerate(starts)]
    heapq.heapify(queue)
    while queue:
        cost, cell, territory = heapq.heappop(queue)
        if owner[cell] >= 0:
            continue
        owner[cell] = territory
        for other, length in neighbours[cell]:
            if owner[other] < 0:
                heapq.heappush(queue, (cost + length / float(speeds[territory]), other, territory))
    return owner


def dissolve(mesh: Mesh, owner: Ints, spacing: float, rng: np.random.Generator) -> list[shapely.Geometry]:
    """One polygon per owner. Borders between owners, and the outer border, are frayed; both sides get the same line."""
    borders: dict[tuple[Vertex, Vertex], list[Vertex]] = {}
    for (start, end), cells in mesh.edges.items():
        if len(cells) == 1 or owner[cells[0]] != owner[cells[1]]:
            calm = len(cells) == 2 and mesh.crosses_river(cells[0], cells[1])
            sites = mesh.sites[cells]
            borders[start, end] = _fray(np.array(start), np.array(end), sites, 0.25 if calm else 0.9, rng)
    polygons = [shapely.polygons(_border_ring(ring, borders)) for ring in mesh.rings]
    by_owner: list[list[shapely.Geometry]] = [[] for _ in range(int(owner.max()) + 1)]
    for polygon, territory in zip(polygons, owner, strict=True):
        by_owner[territory].append(polygon)
    lengths = (110.0, 190.0, 0.9 * spacing, 2 * spacing, 4 * spacing, 8 * spacing, 15 * spacing)
    bend = Warp(waves(rng, lengths, 0.1), waves(rng, lengths, 0.1))
    return [
        shapely.transform(shapely.coverage_union_all(parts), lambda points: np.round(bend.apply(points), 3))
        for parts in by_owner
    ]


def _border_ring(ring: list[Vertex], borders: dict[tuple[Vertex, Vertex], list[Vertex]]) -> list[Vertex]:
    vertices: list[Vertex] = []
    for start, end in zip(ring, ring[1:] + ring[:1], strict=True):
        line = borders.get((min(start, end), max(start, end)), [])
        vertices.append(start)
        vertices.extend(line if start < end else line[::-1])
    return [*vertices, vertices[0]]


def _fray(start: Floats, end: Floats, sites: Floats, strength: float, rng: np.random.Generator) -> list[Vertex]:
    """Vertices between start and end, displaced sideways by midpoint displacement.

    The line stays inside the kite of the edge and its sites. Kites of different edges never meet, so no border crosses
    another.
    """
    run = end - start
    length = float(np.hypot(*run))
    levels = int(np.clip(np.round(np.log2(max(length / BORDER_STEP, 1))), 0, 7))
    if levels == 0:
        return []
    heights = np.zeros(2)
    for level in range(levels):
        middle = (heights[:-1] + heights[1:]) / 2 + rng.normal(0, 0.17 * 0.6**level, heights.size - 1)
        heights = np.insert(heights, np.arange(1, heights.size), middle)
    share = np.linspace(0, 1, heights.size)[1:-1]
    normal = np.array([-run[1], run[0]]) / length
    reach = float(np.min(np.abs((sites - start) @ normal)))
    feet = (sites - start) @ run / length**2
    rise = np.min([np.minimum(share / max(foot, 0.02), (1 - share) / max(1 - foot, 0.02)) for foot in feet], axis=0)
    limit = 0.85 * reach * np.minimum(rise, 1)
    shift = np.clip(strength * heights[1:-1] * length, -limit, limit)
    line = np.round(start + share[:, None] * run + shift[:, None] * normal, 3)
    return [(float(x), float(y)) for x, y in line]
