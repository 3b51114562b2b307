"""/embed and /embed/map: what they take, what they refuse, who may frame them."""

import html
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from pydantic import ValidationError

from server.settings import Settings


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("collections=gemeinde,nichts", "there is no collection 'nichts'"),
        ("style=pink", "Use one of: light, dark, grey"),
        ("bbox=1,2,3", "it is not four decimal numbers"),
        ("bbox=a,b,c,d", "it is not four decimal numbers"),
        ("bbox=8,51,7,52", "its sides are not in order or out of range"),
        ("bbox=nan,51,7,52", "its sides are not in order or out of range"),
        ("layers=gemeinde", "layers"),
    ],
)
def test_wrong_parameters_are_told(live_server: str, query: str, words: str) -> None:
    for path in ("/embed", "/embed/map"):
        answer = httpx.get(f"{live_server}{path}?{query}")
        assert answer.status_code == 400
        assert words in html.unescape(answer.text)


def test_empty_fields_of_the_form_are_none(live_server: str) -> None:
    whole = httpx.get(f"{live_server}/embed", params={"collections": "", "style": "", "bbox": ""})
    assert whole.status_code == 200
    assert 'src="/embed/map?collections=adresse%2Cgemeinde%2Chausumring%2C' in whole.text


def test_operator_names_the_pages_that_may_frame(
    example_database_url: str, start_server: Callable[..., Any], live_server: str
) -> None:
    own = start_server(example_database_url, OPENNRW_FRAME_ANCESTORS="https://www.example.org https://*.nrw.example")
    for url, ancestors in (
        (live_server, "frame-ancestors *"),
        (own.url, "frame-ancestors 'self' https://www.example.org https://*.nrw.example"),
    ):
        answer = httpx.get(f"{url}/embed/map")
        policies = answer.headers.get_list("Content-Security-Policy")
        assert [policy.split("; ")[-1] for policy in policies] == [ancestors]
        again = httpx.get(f"{url}/embed/map", headers={"If-None-Match": answer.headers["ETag"]})
        assert again.status_code == 304
        assert again.headers.get_list("Content-Security-Policy") == policies
        assert "Set-Cookie" not in answer.headers
        assert "frame-ancestors 'none'" in httpx.get(f"{url}/embed").headers["Content-Security-Policy"]


@pytest.mark.parametrize("text", ["*; script-src *", "https://a.example\nX: y", "'unsafe-inline'"])
def test_setting_can_not_add_to_the_policy(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv("OPENNRW_FRAME_ANCESTORS", text)
    with pytest.raises(ValidationError, match="OPENNRW_FRAME_ANCESTORS"):
        Settings()
