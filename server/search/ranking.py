"""How well names fit what was typed. Pure: folded words in, scores from 0 to 1 out."""

from dataclasses import dataclass

# Below it a name has hardly anything of what was typed
LEAST = 0.3


@dataclass(frozen=True)
class Words:
    """What was typed: folded words, the last of which may be a beginning; `said`: kinds of places among them."""

    words: tuple[str, ...]
    said: frozenset[str] = frozenset()

    @property
    def text(self) -> str:
        """As the database compares it."""
        return " ".join(self.words)


def take_apart(folded: str, kinds: frozenset[str]) -> Words:
    """The words of a folded text. `kinds`: words such as Kreis, which tell what a place is and may be no part of its
    name.
    """
    words = tuple(folded.split())
    named = tuple(word for word in words if word not in kinds)
    if not named or len(named) == len(words):
        return Words(words)
    return Words(named, frozenset(words) & kinds)


def score(wanted: Words, name: tuple[str, ...], around: tuple[str, ...], weight: float) -> float:
    """How well a name with the words around it (its place) fits; `weight` orders equal ones."""
    fits = [
        (word, [_fit(word, other, last=number == len(wanted.words) - 1) for other in (*name, *around)])
        for number, word in enumerate(wanted.words)
    ]
    total = sum(len(word) for word, _ in fits)
    covered = sum(len(word) * max(found, default=0) for word, found in fits) / total if total else 0
    length = sum(map(len, name))
    of_name = sum(len(n) * max(found[i] for _, found in fits) for i, n in enumerate(name)) / length if length else 0
    return covered * (0.55 + 0.35 * of_name) + 0.1 * weight


def _fit(word: str, other: str, *, last: bool) -> float:
    """1 for the same word, less for one that begins with it or has a few other letters."""
    if word == other:
        return 1
    if other.startswith(word) and (last or len(word) >= 3):
        return 0.75 + 0.2 * len(word) / len(other)
    found = alike(word, other)
    return 0.9 * found**0.5 if found >= LEAST else 0


def alike(one: str, other: str) -> float:
    """Share of groups of three letters that two words have in common, as pg_trgm counts them."""
    a, b = _trigrams(one), _trigrams(other)
    return len(a & b) / len(a | b)


def _trigrams(word: str) -> set[str]:
    padded = f"  {word} "
    return {padded[i : i + 3] for i in range(len(padded) - 2)}
