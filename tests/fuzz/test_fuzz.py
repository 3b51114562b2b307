"""Schemathesis over the API definition: whatever the requests, no 5xx and no answer other than described.

`make test` runs it with a fixed seed and few requests, `make fuzz` for FUZZ_SECONDS with another seed each time.
Requests that break the definition are sent, too. Whether each of them is refused is not checked here, because the
standard wants some taken (a limit above the maximum); nor whether each that keeps it is taken, because the definition
cannot say what a cursor or a filter is.
"""

import os
import subprocess
import sys
from pathlib import Path

CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
    "unsupported_method",
)
# one collection stands for all: they are described alike
SMALL = r"^/(conformance|collections|collections/kreis/items.*|collections/\{collectionId\}.*)?$"


def test_every_answer_is_as_the_api_definition_says(fuzzed: str, tmp_path: Path) -> None:
    seconds = os.environ.get("FUZZ_SECONDS")
    seed = os.environ.get("FUZZ_SEED", "1")
    budget = ["--max-time", seconds, "-n", "100000"] if seconds else ["-n", "3", "--include-path-regex", SMALL]
    command = [str(Path(sys.executable).with_name("schemathesis")), "run", f"{fuzzed}/api?f=json"]
    options = ["--phases", "coverage,fuzzing", "--continue-on-failure", "--generation-database", "none"]
    printed = ["--no-color", "--warnings", "off", "--report-dir", str(tmp_path)]
    done = subprocess.run(
        [*command, "--checks", ",".join(CHECKS), "--seed", seed, *budget, *options, *printed],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    print(done.stdout[-1500:])
    assert done.returncode == 0, f"seed {seed}:\n{done.stdout}"
    assert "Test cases:" in done.stdout
    assert " generated" in done.stdout
