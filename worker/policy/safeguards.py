"""What stands between a source of policies and the traffic: a signature, the policies' own tests, the last good set."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from worker.policy.lastgood import LastGood
from worker.policy.owntests import OwnTests
from worker.policy.settings import PolicySourceSettings
from worker.policy.signing import fingerprint, public_key


@dataclass(frozen=True, slots=True)
class Safeguards:
    """
    own_tests: runs a policy's cases before it comes into force; None passes them over.
    last_good: where what is in force is kept for a restart; None keeps nothing.
    key: the set must be signed by it; None takes any set.
    """

    own_tests: OwnTests | None = None
    last_good: LastGood | None = None
    key: Ed25519PublicKey | None = None


def safeguards(options: PolicySourceSettings, *, own_tests: OwnTests | None, state: Path | None) -> Safeguards:
    """The safeguards that settings ask for; `state` is the folder of the last good set. Raises ConfigError."""
    key = public_key(options.public_key) if options.public_key else None
    last_good = LastGood(state, fingerprint(key) if key else None) if state else None
    return Safeguards(own_tests, last_good, key)
