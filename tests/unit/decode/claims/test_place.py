"""URLs of a `ref`: what may be asked for, told before anything is asked."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from worker.core.errors import PartUnreadable
from worker.decode.claims import ClaimSettings
from worker.decode.claims.place import Local, Remote, follow, place_of

ALLOWED = ClaimSettings.model_validate(
    {"hosts": ["media.example", "*.cdn.example", "store.example:9000"], "roots": ["/srv/media"]}
)
SECRET = "hunter2"

REFUSED = [
    ("plain http", "http://media.example/a"),
    ("another scheme", "ftp://media.example/a"),
    ("an object store's own scheme", "s3://bucket/key"),
    ("gopher", "gopher://127.0.0.1:6379/_FLUSHALL"),
    ("data", "data:image/png;base64,AAAA"),
    ("no scheme", "//media.example/a"),
    ("a host that is not allowed", "https://other.example/a"),
    ("a host that ends like one", "https://evilmedia.example/a"),
    ("a host that begins like one", "https://media.example.evil.example/a"),
    ("the parent of a wildcard", "https://cdn.example/a"),
    ("a port that is not allowed", "https://media.example:8443/a"),
    ("credentials", f"https://user:{SECRET}@media.example/a"),
    ("a name before the host", "https://media.example@evil.example/a"),
    ("an escaped name", "https://media.example%40evil.example/a"),
    ("a backslash", "https://evil.example\\@media.example/a"),
    ("a trailing dot", "https://media.example./a"),
    ("a space", "https://media.example /a"),
    ("a line break", "https://media.example/a\r\nHost: evil.example"),
    ("a null", "https://media.example/\0"),
    ("other scripts", "https://mediа.example/a"),
    ("loopback", "https://127.0.0.1/a"),
    ("decimal", "https://2130706433/a"),
    ("octal", "https://0177.0.0.1/a"),
    ("mapped", "https://[::ffff:127.0.0.1]/a"),
    ("the metadata service", "https://169.254.169.254/latest/meta-data/"),
    ("no host", "https:///a"),
    ("an open bracket", "https://[::1/a"),
    ("a broken bracket", "file://[x]/srv/media/a"),
    ("no port", "https://media.example:port/a"),
    ("a port beyond", "https://media.example:99999/a"),
    ("a file out of the roots", "file:///etc/passwd"),
    ("a file beside the root", "file:///srv/media-private/a"),
    ("a root itself", "file:///srv/media"),
    ("up and out", "file:///srv/media/../../etc/passwd"),
    ("up and out, escaped", "file:///srv/media/%2e%2e/%2e%2e/etc/passwd"),
    ("a null in a path", "file:///srv/media/a%00.png"),
    ("a file elsewhere", "file://server/srv/media/a"),
    ("a path without a scheme", "/srv/media/a"),
    ("longer than any", "https://media.example/" + "a" * 9_000),
    ("empty", ""),
]


@pytest.mark.parametrize("url", [url for _, url in REFUSED], ids=[what for what, _ in REFUSED])
def test_what_may_not_be_asked_for_is_refused_without_being_told(url: str) -> None:
    """One code for all of it; the reason holds neither the address nor what stood in it."""
    with pytest.raises(PartUnreadable) as caught:
        place_of(url, ALLOWED)
    assert caught.value.code == "ref_not_allowed"
    assert SECRET not in caught.value.reason
    assert "example" not in caught.value.reason


@pytest.mark.parametrize(
    ("url", "place"),
    [
        ("https://media.example/a/b.png?X-Sig=1%2F2&e=3", Remote("media.example", 443, "/a/b.png?X-Sig=1%2F2&e=3")),
        ("https://media.example:443", Remote("media.example", 443, "/")),
        ("HTTPS://MEDIA.example/A", Remote("media.example", 443, "/A")),
        ("https://eu.west.cdn.example/a", Remote("eu.west.cdn.example", 443, "/a")),
        ("https://store.example:9000/bucket/key", Remote("store.example", 9000, "/bucket/key")),
        ("https://media.example/a#part", Remote("media.example", 443, "/a")),
        ("file:///srv/media/a/b%20c.png", Local(Path("/srv/media"), ("a", "b c.png"))),
        ("file://localhost/srv/media/./a", Local(Path("/srv/media"), ("a",))),
    ],
)
def test_what_may_be_asked_for_is_taken_as_it_stands(url: str, place: Remote | Local) -> None:
    """The query of a signed address is not touched."""
    assert place_of(url, ALLOWED) == place


def test_nothing_may_be_asked_for_until_something_is_named() -> None:
    """Off by default, for both schemes."""
    for url in ("https://media.example/a", "file:///srv/media/a"):
        with pytest.raises(PartUnreadable):
            place_of(url, ClaimSettings())
    assert not ClaimSettings().enabled


@pytest.mark.parametrize(
    "location",
    [
        "http://media.example/a",
        "file:///srv/media/a",
        "https://other.example/",
        "//evil.example/a",
        "https://u:p@media.example/",
    ],
)
def test_a_redirect_obeys_the_same_rules(location: str) -> None:
    """Also to another scheme, and to a file that could be asked for by itself."""
    with pytest.raises(PartUnreadable) as caught:
        follow(Remote("media.example", 443, "/a"), location, ALLOWED)
    assert caught.value.code == "ref_not_allowed"


def test_a_redirect_may_be_relative() -> None:
    """On the same host."""
    assert follow(Remote("media.example", 443, "/a/b?c"), "../d", ALLOWED) == Remote("media.example", 443, "/d")


@given(st.text(max_size=40), st.text(max_size=20))
def test_whatever_the_text_only_an_allowed_host_comes_out(before: str, after: str) -> None:
    """Junk around the pieces of a URL never names another host."""
    for url in (f"https://{before}media.example{after}", f"https://{before}@media.example/{after}", before + after):
        try:
            place = place_of(url, ALLOWED)
        except PartUnreadable:
            continue
        assert isinstance(place, Remote)
        assert place.host == "media.example" or place.host.endswith(".cdn.example")


@pytest.mark.parametrize(
    "settings",
    [{"hosts": ["https://media.example"]}, {"hosts": ["*"]}, {"hosts": ["Media.example"]}, {"hosts": ["a.example/a"]},
     {"roots": ["relative"]}, {"roots": ["/"]}, {"roots": ["/srv/../etc"]}],
)  # fmt: skip
def test_a_setting_that_opens_more_than_it_says_is_refused(settings: dict[str, list[str]]) -> None:
    """At the start, not at the first event."""
    with pytest.raises(ValidationError):
        ClaimSettings.model_validate(settings)
