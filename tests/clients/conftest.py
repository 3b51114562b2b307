"""QGIS as its users have it, without a screen: the distribution's QGIS in its own Python, offscreen.

OPENNRW_QGIS_PYTHON names another Python that has QGIS.
"""

import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).resolve().parent
PYTHON = os.environ.get("OPENNRW_QGIS_PYTHON", "/usr/bin/python3")

Qgis = Callable[..., dict[str, Any]]


@pytest.fixture
def qgis(tmp_path: Path) -> Qgis:
    """Runs one of the scripts in QGIS, with an empty profile that lasts as long as the test; what it printed."""
    profile = tmp_path / "profile"
    profile.mkdir(mode=0o700)
    quiet = {"QT_QPA_PLATFORM": "offscreen", "HOME": str(profile), "XDG_RUNTIME_DIR": str(profile)}

    def run(script: str, *arguments: str) -> dict[str, Any]:
        command = [PYTHON, str(HERE / script), *arguments]
        done = subprocess.run(
            command, env={**os.environ, **quiet}, capture_output=True, text=True, timeout=240, check=False
        )
        assert done.returncode == 0, f"{script} ended with {done.returncode}\n{done.stdout[-2000:]}\n{done.stderr}"
        return json.loads(done.stdout)

    return run


@pytest.fixture
def validate_geopackage() -> Callable[[Path], str]:
    """GDAL's validator of GeoPackages, which comes with QGIS: what it has to complain about."""

    def run(path: Path) -> str:
        command = [PYTHON, "-m", "osgeo_utils.samples.validate_gpkg", str(path)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
        return done.stdout + done.stderr

    return run
