"""Smooth pseudo-random fields over the plane: what bends streets and frays the edges of towns."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Waves:
    """A sum of plane waves. `amplitude` in the unit of the result, `vectors` in radians per metre."""

    vectors: Floats
    phases: Floats
    amplitude: Floats

    def at(self, points: Floats) -> Floats:
        """Values at points (n, 2), one per point."""
        return np.sin(points @ self.vectors.T + self.phases) @ self.amplitude


def waves(rng: np.random.Generator, lengths: tuple[float, ...], steepness: float) -> Waves:
    """One wave per length (metres) in a random direction; its slope never exceeds `steepness`."""
    wavelengths = np.array(lengths)
    angle = rng.uniform(0, 2 * np.pi, wavelengths.size)
    number = 2 * np.pi / wavelengths
    vectors = np.column_stack([np.cos(angle), np.sin(angle)]) * number[:, None]
    return Waves(vectors, rng.uniform(0, 2 * np.pi, wavelengths.size), steepness / number)


@dataclass(frozen=True)
class Warp:
    """A gentle distortion of the plane: straight plans go in, streets as they grew come out."""

    east: Waves
    north: Waves

    def apply(self, points: Floats) -> Floats:
        return points + np.column_stack([self.east.at(points), self.north.at(points)])

    def frame(self, points: Floats, directions: Floats) -> tuple[Floats, Floats, Floats]:
        """Where points land, the unit directions there, and how much lengths along them are stretched."""
        step = 2.0
        difference = (self.apply(points + step * directions) - self.apply(points - step * directions)) / (2 * step)
        stretch = np.hypot(difference[:, 0], difference[:, 1])
        return self.apply(points), difference / stretch[:, None], stretch


def make_warp(rng: np.random.Generator) -> Warp:
    lengths = (420.0, 640.0, 980.0, 1700.0)
    return Warp(waves(rng, lengths, 0.085), waves(rng, lengths, 0.085))
