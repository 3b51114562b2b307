"""docs/performance.md: every bench is named, and every name is there."""

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "performance.md").read_text("utf-8")


def test_each_target_of_the_makefile_is_told_and_none_else() -> None:
    targets = re.findall(r"^(bench[a-z-]*):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE)
    assert set(re.findall(r"make (bench[a-z-]*)", PAGE)) == set(targets)


def test_parts_and_options_are_those_of_the_benches() -> None:
    bench = (ROOT / "tests" / "bench" / "bench.py").read_text("utf-8")
    parts = re.search(r"^PARTS = \((.+)\)$", bench, re.MULTILINE)
    assert parts
    named = re.findall(r"^\| `([a-z]+)` \|", PAGE, re.MULTILINE)
    assert named == re.findall(r'"([a-z]+)"', parts[1])
    for target, options in re.findall(r'^ {4}make (bench[a-z-]*) BENCH="([^"]+)"', PAGE, re.MULTILINE):
        script = {"bench": "bench", "bench-export": "export", "bench-tiles": "tiles"}[target]
        source = (ROOT / "tests" / "bench" / f"{script}.py").read_text("utf-8")
        assert all(f'"{option}"' in source for option in re.findall(r"--[a-z]+", options))
