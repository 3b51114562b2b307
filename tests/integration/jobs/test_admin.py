"""/admin: JSON for the staff behind a token, and nothing at all for everybody else."""

from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

TOKEN = "0123456789abcdef-secret"
PATHS = ("/admin/jobs", "/admin/jobs/1", "/admin/deliveries")
AUTHORIZED = {"Authorization": f"Bearer {TOKEN}"}


@pytest.fixture
def admin(example_database_url: str, start_server: Callable[..., Any]) -> Iterator[httpx.Client]:
    """A client of a server with a token, over the example: a job after each publication waits there."""
    server = start_server(example_database_url, OPENNRW_ADMIN_TOKEN=TOKEN)
    with httpx.Client(base_url=server.url, timeout=30) as client:
        yield client


@pytest.mark.parametrize("path", PATHS)
def test_without_a_token_of_the_service_there_is_nothing(live_server: str, path: str) -> None:
    for headers in ({}, AUTHORIZED):
        answer = httpx.get(live_server + path, headers=headers)
        assert answer.status_code == 404
        assert answer.headers["content-type"] == "application/problem+json"
        elsewhere = httpx.get(live_server + "/elsewhere").json()
        assert answer.json()["detail"] == elsewhere["detail"].replace("/elsewhere", path)
    assert "/admin" not in httpx.get(f"{live_server}/api").text


def test_only_with_the_token_and_never_kept(admin: httpx.Client) -> None:
    wrong = ["", "Bearer", "Bearer x", f"Basic {TOKEN}", f"Bearer {TOKEN}x", f"Bearer {TOKEN[:-1]}", "Bearer ä"]
    for path in PATHS:
        for given in wrong:
            refused = admin.get(path, headers=httpx.Headers([(b"authorization", given.encode("latin-1"))]))
            assert refused.status_code == 401
            assert refused.headers["www-authenticate"] == 'Bearer realm="admin"'
            assert refused.headers["cache-control"] == "no-store"
            assert refused.json()["detail"] == ("This needs the service's token: send 'Authorization: Bearer <token>'.")
        answer = admin.get(path, headers=AUTHORIZED)
        assert answer.status_code == 200
        assert answer.headers["cache-control"] == "no-store"
        assert "etag" not in answer.headers
        assert admin.post(path, headers=AUTHORIZED).status_code == 405


def test_jobs_and_deliveries_are_listed_and_followed(admin: httpx.Client) -> None:
    admin.headers.update(AUTHORIZED)
    _check_jobs(admin)
    _check_deliveries(admin)
    _check_mistakes(admin)


def _check_jobs(admin: httpx.Client) -> None:
    everything = admin.get("/admin/jobs").json()["jobs"]
    assert len(everything) == 30
    tasks = ("after_publication", "downloads", "pyramid")
    assert {(job["task"], job["status"]) for job in everything} == {(task, "accepted") for task in tasks}
    page = admin.get("/admin/jobs", params={"limit": 4}).json()
    found = page["jobs"]
    while following := [link["href"] for link in page["links"] if link["rel"] == "next"]:
        page = admin.get(following[0]).json()
        found += page["jobs"]
    assert found == everything
    assert admin.get("/admin/jobs", params={"status": "failed"}).json()["jobs"] == []
    one = admin.get(f"/admin/jobs/{everything[0]['id']}").json()
    assert everything[0].items() <= one.items()
    assert one["report"] is None


def _check_deliveries(admin: httpx.Client) -> None:
    deliveries = admin.get("/admin/deliveries").json()["deliveries"]
    assert [delivery["dataset"] for delivery in deliveries] == ["hausumringe", "gebref", "dvg2", "dvg1"]
    for delivery in deliveries:
        assert delivery["status"] == "published"
        assert delivery["files"][0]["sha256"]
        for counts in delivery["collections"].values():
            assert counts["read"] == counts["inserted"] + counts["rejected"] + counts["duplicate"]
    only = admin.get("/admin/deliveries", params={"dataset": "gebref", "status": "published"}).json()["deliveries"]
    assert [delivery["dataset"] for delivery in only] == ["gebref"]


MISTAKES = [
    (
        "/admin/jobs/4711",
        404,
        "There is no job '4711'. Jobs are kept for 30 days after their end: see /admin/jobs.",
    ),
    ("/admin/jobs/x%00", 404, "There is no job 'x"),
    ("/admin/jobs?limit=0", 400, "The value '0' of parameter 'limit' is not valid: it is a whole number from 1 to"),
    (
        "/admin/jobs?before=-1",
        400,
        "it is a whole number from 1 to 9223372036854775807. Correct it or leave it out.",
    ),
    ("/admin/jobs?status=odd", 400, "it is one of accepted, running, successful, failed, dismissed. Leave it out"),
    ("/admin/deliveries?status=odd", 400, "it is one of published, unchanged, refused. Leave it out for all."),
    ("/admin/jobs?x=1", 400, "The parameter 'x' is not known here. Known parameters: "),
]


def _check_mistakes(admin: httpx.Client) -> None:
    for path, status, says in MISTAKES:
        answer = admin.get(path)
        assert answer.status_code == status
        assert says in answer.json()["detail"]


def test_a_short_token_is_refused_at_the_start(queue: Any) -> None:
    with pytest.raises(ValueError, match="at least 16 characters"):
        type(queue.settings)(OPENNRW_ADMIN_TOKEN="short")
