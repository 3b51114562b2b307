"""What a load that finds nothing new, or a command that serves nothing, must not wait for."""

import subprocess
import sys

PRINT = "import sys; import loaders.run, server.cli; print(*{name.partition('.')[0] for name in sys.modules})"
HEAVY = {"numpy", "pyarrow", "shapely", "pyproj", "pyogrio", "pandas", "httpx", "uvicorn", "starlette", "procrastinate"}


def test_heavy_libraries_are_for_those_who_need_them() -> None:
    done = subprocess.run([sys.executable, "-c", PRINT], capture_output=True, text=True, check=True)
    loaded = set(done.stdout.split())
    assert {"loaders", "psycopg"} <= loaded
    assert loaded & HEAVY == set()
