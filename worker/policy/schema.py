"""The JSON Schema of policy.v1, generated from the models that read it."""

from __future__ import annotations

from typing import Any

from worker.policy.document import PolicyDocument


def policy_schema() -> dict[str, Any]:
    """JSON Schema (2020-12) of a policy file."""
    schema = PolicyDocument.model_json_schema(by_alias=True)
    return (
        {"$schema": "https://json-schema.org/draft/2020-12/schema", "$id": "policy.v1"}
        | schema
        | {"title": "Tidegate policy, version 1"}
    )
