"""Inputs to start from: one of each kind that the targets read, small, made here; kept findings come beside them."""

from __future__ import annotations

import base64
import gzip
import io
import json
import re
import tarfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import soundfile
from PIL import Image

ROOT = Path(__file__).resolve().parents[2]
KEPT = ROOT / "tests" / "data" / "fuzz"  # a folder a target: inputs that once showed something


def seeds(target: str) -> list[bytes]:
    """The inputs that `target` starts from, the kept ones last."""
    made = {
        "event": _events,
        "claim": _claims,
        "image": _images,
        "audio": _clips,
        "policy": _policies,
        "tenants": _tenants,
        "bundle": _bundles,
        "letter": _letters,
    }[target]()
    return [*made, *(file.read_bytes() for file in sorted((KEPT / target).glob("*")))]


def words() -> list[str]:
    """What the formats are made of, as libFuzzer's dictionary writes it: fields, JSON's edges, magic numbers."""
    names = set[str]()
    for schema in (ROOT / "schemas").glob("*.v1.json"):
        names |= set(re.findall(r'"([a-z_]{2,24})"', schema.read_text()))
    quoted = [f'\\"{name}\\"' for name in sorted(names)]
    edges = [
        "null",
        "true",
        "1e999",
        "-0.0",
        "9007199254740993",
        "\\\\ud800",
        "\\\\u0000",
        "[[[[[[[[",
        "{}",
        "[]",
        "NaN",
    ]
    headers = ["ce_", "content-type:image/gif", "\\x0a", "\\x0a\\x0a", "tidegate-", "__connect.errors."]
    magic = ["RIFF", "WEBPVP8X", "ANMF", "fLaC", "OggS", "OpusHead", "ID3", "IHDR", "zTXt", "IDAT", "GIF89a", "Exif"]
    return [*quoted, *edges, *headers, *magic]


def _events() -> Iterator[bytes]:
    text = {"type": "text", "text": "hello", "role": "user"}
    image = {"type": "image", "data": base64.b64encode(next(_images())).decode(), "mime": "image/png"}
    sound = {"type": "audio", "data": base64.b64encode(b"\0\1" * 40).decode(), "encoding": "pcm16", "rate": 8000}
    ref = {"type": "audio", "ref": {"url": "https://media.example/a?x=1", "sha256": "ab" * 32, "bytes": 48213}}
    context = {"channel": "lobby", "audience": "kids", "actor": "u-17", "attributes": {"level": 3}}
    stream = {"id": "call-9", "seq": 17, "offset_ms": 85000, "speaker": "spk-1", "final": False}
    whole = {"id": "1", "tenant": "acme", "parts": [text, image, sound, ref, {"type": "hologram"}]}
    yield json.dumps({"id": "1", "tenant": "acme", "parts": [text]}).encode()
    yield json.dumps({**whole, "context": context, "stream": stream, "deadline_ms": 2000, "time": "now"}).encode()
    yield b"\0\0\0\0\7" + json.dumps({"id": "1", "tenant": "acme", "parts": [text]}).encode()
    cloud = {"specversion": "1.0", "type": "chat", "source": "/lobby", "id": "1", "tenant": "acme"}
    yield json.dumps({**cloud, "datacontenttype": "text/plain", "data": "hello"}).encode()
    yield json.dumps({**cloud, "datacontenttype": "image/png", "data_base64": image["data"]}).encode()
    yield json.dumps({**cloud, "data": {"parts": [text]}, "streamid": "s", "streamseq": 4}).encode()
    binary = b"ce_specversion:1.0\nce_id:1\nce_tenant:acme\nce_streamid:s\nce_streamfinal:true\nce_deadlinems:20\n"
    yield binary + b"content-type:text/plain\n\nhello"
    yield binary + b"content-type:image/png\n\n" + next(_images())
    yield binary + b'content-type:application/json\n\n{"parts": [{"type": "text", "text": "x"}]}'
    back = (
        b"tidegate-first-position:events:3:91822\ntraceparent:00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    )
    yield back + b"\n\n" + json.dumps({"id": "1", "tenant": "acme", "parts": [text]}).encode()


def _claims() -> Iterator[bytes]:
    yield from (
        b"https://media.example/a/b.png?X-Sig=1%2F2",
        b"https://user:pw@eu.cdn.example:443/a#b",
        b"https://[::ffff:127.0.0.1]/a",
        b"file:///srv/media/a/%2e%2e/b.png",
        b"//media.example/a",
        b"../c?d",
        b"2130706433",
        b"::ffff:169.254.169.254",
        b"64:ff9b::7f00:1",
        b"fe80::1%eth0",
        b"2002:a00:7::1",
    )


def _images() -> Iterator[bytes]:
    picture = Image.fromarray(np.random.default_rng(7).integers(0, 256, (9, 7, 3), dtype=np.uint8))
    frames = [picture.rotate(90 * turn) for turn in range(3)]
    exif = Image.Exif()
    exif[0x0112] = 6
    for kind, options in (
        ("PNG", {}),
        ("JPEG", {"exif": exif}),
        ("JPEG", {"progressive": True}),
        ("WEBP", {"lossless": True}),
        ("WEBP", {"save_all": True, "append_images": frames}),
        ("GIF", {"save_all": True, "append_images": frames}),
    ):
        out = io.BytesIO()
        picture.save(out, kind, **options)
        yield out.getvalue()
    for mode in ("P", "LA", "I;16", "1"):
        out = io.BytesIO()
        (Image.new("I;16", (5, 4), 77) if mode == "I;16" else picture.convert(mode)).save(out, "PNG")
        yield out.getvalue()


def _clips() -> Iterator[bytes]:
    samples = np.random.default_rng(7).uniform(-0.5, 0.5, 400).astype(np.float32)
    for kind, subtype, rate in (
        ("WAV", "PCM_16", 16_000),
        ("WAV", "ULAW", 8_000),
        ("WAV", "IMA_ADPCM", 8_000),
        ("FLAC", "PCM_16", 16_000),
        ("OGG", "VORBIS", 16_000),
        ("OGG", "OPUS", 16_000),
        ("MP3", "MPEG_LAYER_III", 16_000),
    ):
        out = io.BytesIO()
        soundfile.write(out, samples, rate, format=kind, subtype=subtype)
        yield out.getvalue()


def _policies() -> Iterator[bytes]:
    for file in sorted((ROOT / "policies").glob("*.json")):
        if file.name != "tenants.json":
            yield file.read_bytes()
    yield json.dumps(
        {
            "id": "p",
            "version": "1",
            "categories": {
                "a": {
                    "definition": "says a",
                    "examples": {"violating": ["aa"], "allowed": ["bb"]},
                    "flag": "balanced",
                    "block": 0.9,
                    "on": {"audio": {"block": 0.95}},
                    "mode": "shadow",
                    "severe": True,
                    "children": {"b": {"flag": 0.4, "rollup": False}},
                }
            },
            "terms": [{"list": "lists/a.txt", "match": "word", "category": "a", "action": "flag", "except": ["x"]}],
            "when": [{"if": "context.audience == 'kids'", "set": {"a": {"flag": 0.1}}}],
            "otherwise": {"failed": "flag", "late": "score"},
            "limits": {"events_per_s": 2000, "text_chars": 20000},
            "tests": [{"name": "t", "text": "aa", "expect": "flag", "category": "a"}],
        }
    ).encode()


def _tenants() -> Iterator[bytes]:
    yield (ROOT / "policies" / "tenants.json").read_bytes()
    trial = {"policy": "b", "share": 0.5, "until": "2027-01-01T00:00:00Z"}
    yield json.dumps({"*": "a", "acme": {"policy": "a", "candidate": trial}}).encode()


def _bundles() -> Iterator[bytes]:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for name, content in (("tenants.json", b'{"*": "p"}'), ("lists/a.txt", b"free coins\n")):
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    yield gzip.compress(out.getvalue()[:2048], 0)  # stored, so that what is changed inside is still a gzip
    yield gzip.compress(out.getvalue())


def _letters() -> Iterator[bytes]:
    connect = b"".join(
        b"__connect.errors.%s:%s\n" % pair for pair in ((b"topic", b"in"), (b"partition", b"3"), (b"offset", b"14"))
    )
    ours = b"tidegate-code:not_json\ntidegate-attempts:3\ntidegate-failures:KeyError,ValueError\ntidegate-tenant:acme"
    yield connect + ours + b"\n\n{"
    yield connect + ours + b"\ntidegate-pointer-bytes:70000\ntidegate-pointer-sha256:ab\n\n"
    yield b"tidegate-redriven:in:3:14\n\n"
    yield b"tidegate-first-position:in:3:14\ntidegate-redrives:2\ntheirs:kept\n\nvalue"
