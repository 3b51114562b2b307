"""House numbers along streets and object ids as the Katasterbehörden give them."""

import numpy as np
import numpy.typing as npt

from loaders.example.noise import Bools, Floats, Ints

Texts = npt.NDArray[np.object_]
BASE62 = np.frombuffer(b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz", dtype="S1")
NEW_OBJECTS = 62**5  # serial numbers of objects that only later deliveries know start here


class Serials:
    """Object ids of one Katasterbehörde, like those of the genuine files: DENW08HK0000ChHB."""

    def __init__(self, authority: int) -> None:
        self._authority = authority
        self._next = {("HK", False): 1, ("HK", True): NEW_OBJECTS, ("AL", False): 1, ("AL", True): NEW_OBJECTS}

    def ids(self, family: str, new: Bools) -> Texts:
        """Ids of objects in their order. `new` ones count from another start, so they never shift the others."""
        serial = np.empty(new.size, dtype=np.int64)
        for is_new in (False, True):
            rows = new == is_new
            first = self._next[family, is_new]
            serial[rows] = first + np.arange(rows.sum())
            self._next[family, is_new] = first + int(rows.sum())
        digits = BASE62[(serial[:, None] * 37 // 62 ** np.arange(7, -1, -1)) % 62]
        tails = np.ascontiguousarray(digits).view("S8")[:, 0].astype("U8")
        return np.char.add(f"DENW{self._authority:02d}{family}", tails).astype(object)


def number_houses(street: Ints, side: Ints, t: Floats, rng: np.random.Generator) -> tuple[Ints, Texts]:
    """Odd numbers on the left, even ones on the right, rising along the street; here and there a 7, 7a, 7b."""
    order = np.lexsort((t, side, street))
    strand = street[order] * 2 + side[order]
    first = np.append(True, strand[1:] != strand[:-1])
    letter = (rng.random(t.size) < 0.045) & ~first
    letter &= ~(np.append(False, letter[:-1]) & np.append([False, False], letter[:-2]))
    steps = np.where(letter, 0, 1 + (rng.random(t.size) < 0.03))
    steps[first] = 1
    total = np.cumsum(steps)
    begin = np.flatnonzero(first)
    rank = total - np.repeat(total[begin], np.diff(np.append(begin, t.size)))
    second = letter & np.append(False, letter[:-1])
    number = np.empty(t.size, dtype=np.int64)
    suffix = np.full(t.size, "", dtype=object)
    number[order] = 2 * rank + np.where(side[order] == 1, 1, 2)
    suffix[order] = np.where(second, "b", np.where(letter, "a", ""))
    return number, suffix
