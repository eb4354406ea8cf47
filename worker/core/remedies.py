"""
Every code that stands in a dead letter, in `degraded` of a decision or in the status of a policy, with its remedy.

Part of the runbook (`runbook.py`); `docs/operations.md` has the same words.
"""

from __future__ import annotations

from typing import NamedTuple


class Entry(NamedTuple):
    """One line of the runbook."""

    means: str  # what is so, one sentence without a full stop
    do: str  # what a person does about it, the same


CODES: dict[str, Entry] = {
    # dead letters: no event
    "bad_header": Entry(
        "a header that we read is no UTF-8, or not of its form",
        "mend the producer's headers",
    ),
    "no_id": Entry(
        "the event has no id",
        "let the producer give each event an id of its own",
    ),
    "no_tenant": Entry(
        "the event names no tenant",
        "let the producer name one",
    ),
    "not_json": Entry(
        "the value is no JSON",
        "let the producer write event.v1 or CloudEvents",
    ),
    "not_utf8": Entry(
        "the value is no UTF-8",
        "let the producer write UTF-8",
    ),
    "too_large": Entry(
        "the record is over `limits.record_bytes`",
        "send smaller media, or raise the limit and the topic's max.message.bytes",
    ),
    "unknown_tenant": Entry(
        "no policy for the tenant and none for `*`",
        "add the tenant or `*` to tenants.json, then redrive",
    ),
    "wrong_shape": Entry(
        "a field is not what event.v1 says",
        "check the producer against schemas/event.v1.json; the reason names the field",
    ),
    # dead letters: parked
    "breaks_pipeline": Entry(
        "the record raised an error in every attempt",
        "file a bug with its history, mend, then redrive",
    ),
    "hangs": Entry(
        "its decoding did not end in `parking.decode_s`",
        "file a bug with the record; redrive after the fix",
    ),
    "kills_worker": Entry(
        "the process died `parking.deaths` times with it under way",
        "look for out of memory first; then as for `hangs`",
    ),
    "too_large_to_publish": Entry(
        "its decision is larger than the topic takes",
        "raise the output's max.message.bytes and kafka.max.request.size",
    ),
    # degraded: what was not judged whole
    "audio_damaged": Entry(
        "the clip is cut or damaged; what comes before is judged",
        "send it whole",
    ),
    "audio_empty": Entry(
        "the clip has no samples",
        "send sound",
    ),
    "audio_encoding": Entry(
        "raw sound of an unknown encoding or rate",
        "send `pcm16` with its rate and channels, or `pcmu`, `pcma`",
    ),
    "audio_format": Entry(
        "the clip is of another format",
        "send WAV, FLAC, OGG or MP3",
    ),
    "audio_too_large": Entry(
        "the file is over `audio_bytes`",
        "send less, or raise the limit",
    ),
    "audio_too_long": Entry(
        "the clip is over `audio_s`; its beginning is judged",
        "cut it into windows, or raise the limit",
    ),
    "base64_broken": Entry(
        "`data` is no base64",
        "send standard base64 with padding",
    ),
    "chunk_out_of_place": Entry(
        "a chunk came later than `calls.lateness_s`, or by another clock; it is judged by itself",
        "check the producer's `offset_ms`, and that one call has one key",
    ),
    "decoder_died": Entry(
        "a picture or clip killed the process that decodes it, twice",
        "keep the file and report it: a codec has a fault",
    ),
    "decoder_memory": Entry(
        "a picture needs more memory to decode than its process has",
        "lower the pixels allowed, or raise `decoding.memory_mb`",
    ),
    "decoder_slow": Entry(
        "a picture or clip was not decoded in time",
        "look whether the machine is overloaded; else the file is made to take long",
    ),
    "foreign_language": Entry(
        "a text in a language that the text model does not read",
        "set `otherwise.language`",
    ),
    "image_damaged": Entry(
        "the picture cannot be decoded",
        "send it again",
    ),
    "image_format": Entry(
        "the picture is of another format",
        "send PNG, JPEG, WebP or GIF",
    ),
    "image_frames_damaged": Entry(
        "later frames of an animation are damaged; the others are judged",
        "send it again",
    ),
    "image_too_large": Entry(
        "the picture is over `image_bytes` or `image_pixels`",
        "send a smaller one, or raise the limit",
    ),
    "image_truncated": Entry(
        "the picture's file ends early",
        "send it whole",
    ),
    "late": Entry(
        "its deadline had passed when it was read",
        "add workers, or give it a later `deadline_ms`",
    ),
    "model_failed": Entry(
        "a model failed twice on a view, or on the examples of a policy",
        "look at TidegateModelFails",
    ),
    "nobody_looks": Entry(
        "no model here looks at parts of this type",
        "run a profile that has one, or do not send such parts",
    ),
    "over_rate": Entry(
        "its tenant sends more than `limits.events_per_s`",
        "raise the limit, or slow the tenant",
    ),
    "over_share": Entry(
        "its tenant holds its share of the credits",
        "add workers, or raise overload.tenant_share",
    ),
    "part_empty": Entry(
        "a part without content",
        "send `data`",
    ),
    "part_type_unknown": Entry(
        "a part of no known type",
        "send text, image or audio",
    ),
    "ref_incomplete": Entry(
        "content by reference without its length and digest",
        "send `bytes` and `sha256` beside `url`",
    ),
    "ref_mismatch": Entry(
        "content by reference is not of the length or digest that the event says",
        "send the event anew, from the file that lies there",
    ),
    "ref_not_allowed": Entry(
        "content by reference from a place that is not allowed, or whose address is not public; or it is off",
        "name its host in `claims.hosts`, its folder in `claims.roots`, a network of your own in `claims.networks`",
    ),
    "ref_unavailable": Entry(
        "content by reference was not there, or not within `claims.timeout_s`",
        "look at the store; sign addresses for longer than the worst lag",
    ),
    "text_too_long": Entry(
        "the text is over its limit or the token budget; what fits is judged",
        "raise `text_chars`",
    ),
    "too_many_parts": Entry(
        "more parts than the limit; the first ones are judged",
        "send fewer, or raise the limit",
    ),
    # policies
    "policy_rejected": Entry(
        "a policy does not validate or compile",
        "mend the line that `/status` names",
    ),
    "test_failed": Entry(
        "a policy's own tests fail",
        "mend the policy or its tests",
    ),
    "signature_invalid": Entry(
        "the set of policies is not signed by a key we trust",
        "sign it with `tidegate policy sign`",
    ),
    "source_unavailable": Entry(
        "the source of policies cannot be read; the last set goes on",
        "look at its address and rights",
    ),
}
