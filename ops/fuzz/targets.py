"""What is fuzzed: one function a target, bytes in; anything raised out of it is a finding."""

from __future__ import annotations

from collections.abc import Callable
from ipaddress import ip_address
from typing import Final

import numpy as np
from pydantic import ValidationError

from tests.unit.policy.building import PathsOnly
from worker.core.errors import NotAnEvent, Parked, PartUnreadable, PolicyRejected
from worker.core.events import Event
from worker.core.records import Headers, Position, Record
from worker.decode.audio import RATE, decode_audio, resample
from worker.decode.claims import ClaimSettings
from worker.decode.claims.address import may_connect
from worker.decode.claims.place import Remote, follow, place_of
from worker.decode.decoder import EventDecoder
from worker.decode.envelope import OuterLimits
from worker.decode.image import decode_image
from worker.decode.schema import EVENT
from worker.deliver.deadletter import CONNECT, OURS, dead_letter
from worker.deliver.letters import Letter, own_headers, read_letter, send_back
from worker.policy.compile import compile_policy
from worker.policy.files import in_memory
from worker.policy.reading import decode_text, read_policy
from worker.policy.resolve import resolve
from worker.policy.source.archive import BundleRefused, unpack
from worker.policy.tenants import read_tenants

LIMITS: Final = OuterLimits(
    record_bytes=1 << 20, image_pixels=1_000_000, image_bytes=1 << 20, audio_s=5.0, audio_bytes=1 << 20
)
AT: Final = Position("in", 3, 14)
LISTS: Final = in_memory([("lists/a.txt", b"free coins\n"), ("lists/b.txt", b"/fre+ coins?/\n")])
_DECODER = EventDecoder(LIMITS)
resample(np.zeros(8, np.float32), 8_000)  # torch takes seconds to import: not while an input is timed
CLAIMS: Final = ClaimSettings.model_validate({"hosts": ["media.example", "*.cdn.example"], "roots": ["/srv/media"]})
_END_OF_HEADERS = b"\n\n"  # what comes before it in an input are headers, a line each


def event(data: bytes) -> None:
    """A record's headers and value, as far as an event with all its parts decoded."""
    headers, value = split(data)
    record = Record(AT, None, value, headers, 1_800_000_000_000)
    try:
        envelope = _DECODER.envelope(record)
    except NotAnEvent:
        return
    found = _DECODER.event(envelope, LIMITS, received=0.0)
    assert isinstance(found, Event)
    assert envelope.decoded_bytes >= 0, "credits cannot be negative"
    if envelope.raw is None:
        try:
            EVENT.validate_python(envelope.body)
        except ValidationError as error:  # its message would quote the input, and so it should
            raise AssertionError("the fast check took what the schema refuses") from error


def claim(data: bytes) -> None:
    """A `ref`'s address, and where a redirect from an allowed one leads; and the same bytes as a resolver's answer."""
    text = data.decode("utf-8", "replace")
    for redirected in (False, True):
        try:
            place = follow(Remote("media.example", 443, "/a/b"), text, CLAIMS) if redirected else place_of(text, CLAIMS)
        except PartUnreadable:
            continue
        if isinstance(place, Remote):
            assert place.authority == "media.example" or place.authority.endswith(".cdn.example"), "another host"
        else:
            assert ".." not in place.steps, "a way up"
            assert "\0" not in "".join(place.steps), "a null in a path"
    if may_connect(text):
        address = ip_address(text.partition("%")[0])
        assert not (address.is_private and not address.is_global) or address.version == 6
        assert not address.is_loopback
        assert not address.is_link_local


def image(data: bytes) -> None:
    """A picture's file."""
    try:
        part, _ = decode_image(data, "parts/0", max_pixels=LIMITS.image_pixels, max_side=256)
    except PartUnreadable:
        return
    assert part.frames.ndim == 4
    assert max(part.frames.shape[1:3]) <= 256, "a frame passes the longest side"


def audio(data: bytes) -> None:
    """A clip's file."""
    try:
        part, _ = decode_audio(data, "parts/0", max_seconds=LIMITS.audio_s)
    except PartUnreadable:
        return
    assert len(part.samples) <= LIMITS.audio_s * RATE + RATE, "more sound than the limit"


def policy(data: bytes) -> None:
    """A policy's file, as far as a compiled policy."""
    try:
        source = read_policy(data, "p.json")
        compile_policy(resolve(source, {source.document.id: source}), LISTS, PathsOnly())
    except PolicyRejected:
        return


def tenants(data: bytes) -> None:
    """A tenants.json."""
    try:
        read_tenants(decode_text(data, "tenants.json"), "tenants.json")
    except PolicyRejected:
        return


def bundle(data: bytes) -> None:
    """A set of policies as a tar.gz."""
    try:
        files = unpack(data, max_bytes=1 << 20)
    except BundleRefused:
        return
    assert not any(name.startswith(("/", "../")) for name in files.files), "a name leads out of the bundle"


def letter(data: bytes) -> None:
    """A record of the dead-letter topic, and any record on its way there and back."""
    headers, value = split(data)
    record = Record(AT, None, value, headers, 0)
    found = read_letter(record)
    if isinstance(found, Letter):
        send_back(found, "in")
    error = Parked("breaks_pipeline", "it broke", stage="event", failures=("ValueError",))
    sent = dead_letter(record, error, max_bytes=4_096, tenant="acme")
    again = read_letter(Record(AT, sent.key, sent.value, sent.headers, 0))
    if any(name == "tidegate-redriven" for name, _ in headers):
        return  # a record that carries a marker's header reads as the marker it claims to be
    assert isinstance(again, Letter), "a dead letter of ours is not read as one"
    assert (again.source, again.code) == (AT, "breaks_pipeline"), "a record's own headers stand above ours"
    assert not any(name.startswith((CONNECT, OURS)) for name, _ in own_headers(sent.headers))


def split(data: bytes) -> tuple[Headers, bytes]:
    """An input as headers, `name:value` a line, and a value; without the empty line between, all of it is the value."""
    head, end, value = data.partition(_END_OF_HEADERS)
    if not end:
        return (), data
    lines = (line.partition(b":") for line in head.split(b"\n"))
    return tuple((name.decode("utf-8", "replace"), content) for name, _, content in lines), value


TARGETS: Final[dict[str, Callable[[bytes], None]]] = {
    "event": event,
    "claim": claim,
    "image": image,
    "audio": audio,
    "policy": policy,
    "tenants": tenants,
    "bundle": bundle,
    "letter": letter,
}
