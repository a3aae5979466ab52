"""The page `/docs`: from the installed files alone, and what it says without them."""

from __future__ import annotations

import re

import pytest

from liteship.errors import NotFoundError
from liteship.runtime import docs_page


def test_the_page_names_relative_addresses_only() -> None:
    page = docs_page.page()
    addresses = re.findall(rb'(?:src|href)="([^"]+)"', page.body)
    assert {address.decode().removeprefix("docs/") for address in addresses} == {
        docs_page.START,
        *docs_page.ASSETS,
    }
    assert b"http" not in page.body.replace(b"http-equiv", b"")
    assert b"<script>" not in page.body
    assert b"style=" not in page.body


def test_its_policy_lets_it_ask_nobody_else() -> None:
    policy = docs_page.page().headers["content-security-policy"]
    assert policy.startswith("default-src 'none'; script-src 'self'; ")
    assert "http" not in policy
    assert "connect-src 'self'" in policy


@pytest.mark.parametrize("name", [docs_page.START, *docs_page.ASSETS])
def test_its_files_may_be_kept(name: str) -> None:
    answer = docs_page.asset(name)
    assert answer.status == 200
    assert len(answer.body) > 50
    assert answer.headers["cache-control"] == "public, max-age=86400"
    assert answer.headers["x-content-type-options"] == "nosniff"


def test_a_body_fits_into_an_answer_of_lambda() -> None:
    """6 MB; each byte of a text may take two in JSON."""
    assert all(len(docs_page.asset(name).body) < 3_000_000 for name in docs_page.ASSETS)


@pytest.mark.parametrize("name", ["redoc.standalone.js", "../core.py", "core.py", "\ud800"])
def test_there_is_nothing_else(name: str) -> None:
    with pytest.raises(NotFoundError) as caught:
        docs_page.asset(name)
    assert caught.value.reference == "route-unknown"


def test_without_the_package_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(docs_page, "find_spec", lambda _name: None)
    with pytest.raises(NotFoundError) as caught:
        docs_page.page()
    assert caught.value.reference == "docs-missing"
    assert "pip install fastapi-offline" in caught.value.hint
