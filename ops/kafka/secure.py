"""A real Kafka with TLS, SASL and access rights, and the certificates for it: for the tests of security."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address
from pathlib import Path
from types import TracebackType

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from ops.kafka.nodes import JavaBroker, free_port

USER, PASSWORD = "tidegate", "right-password"
_DAY = timedelta(days=1)
_MODULES = "org.apache.kafka.common.security"
_SCRAM = f"{_MODULES}.scram.ScramLoginModule required;"
_BEARER = f'{_MODULES}.oauthbearer.OAuthBearerLoginModule required unsecuredLoginStringClaim_sub="x";'


class Authority:
    """
    A certificate authority of the moment, and what it signs.

    Args:
        folder: where PEM files go; `ca` is its own certificate.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test authority")])
        authority = x509.BasicConstraints(ca=True, path_length=None)
        made = self._built(self._name, self._key.public_key(), days=10).add_extension(authority, critical=True)
        self._certificate = made.sign(self._key, hashes.SHA256())
        self.ca = folder / "ca.pem"
        self.ca.write_bytes(self._certificate.public_bytes(serialization.Encoding.PEM))

    def _built(self, name: x509.Name, key: ec.EllipticCurvePublicKey, *, days: int) -> x509.CertificateBuilder:
        ends = datetime.now(UTC) + days * _DAY
        begun = min(datetime.now(UTC), ends) - _DAY
        builder = x509.CertificateBuilder(self._name, name, key, x509.random_serial_number(), begun, ends)
        return builder.add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)

    def sign(self, name: str, *, days: int = 5, host: str = "127.0.0.1") -> tuple[Path, Path]:
        """Files of a new certificate and its key, for a host and its clients; `days` below 0: expired already."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        names = x509.SubjectAlternativeName([x509.IPAddress(IPv4Address(host))])
        issuer = x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key())
        built = self._built(subject, key.public_key(), days=days).add_extension(names, critical=False)
        certificate = built.add_extension(issuer, critical=False).sign(self._key, hashes.SHA256())
        files = self._folder / f"{name}.pem", self._folder / f"{name}.key"
        files[0].write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        form = serialization.PrivateFormat.PKCS8
        files[1].write_bytes(key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption()))
        return files


class SecureBroker:
    """
    One node with four doors, each on a port of its own at 127.0.0.1:

    open: plain, for its administrator; sasl: TLS with SCRAM-SHA-512 or OAUTHBEARER (unsigned tokens); mutual: TLS with
    a certificate of the client's, which is its user; expired: TLS with a certificate that has ended. Whoever is not the
    administrator has only the rights that he is granted. Java with Maven's jars, as for `JavaBroker`.
    """

    def __init__(self, folder: Path) -> None:
        self.authority = Authority(folder)
        ports = {name: free_port() for name in ("SASL", "MUTUAL", "EXPIRED")}
        self.sasl, self.mutual, self.expired = (f"127.0.0.1:{port}" for port in ports.values())
        self._node = JavaBroker(free_port())
        self.open = self._node.bootstrap
        self._node.more_listeners = ports
        self._node.more_settings = self._settings(folder)
        self._node.more_format = ("--add-scram", f"SCRAM-SHA-512=[name={USER},password={PASSWORD}]")

    def _settings(self, folder: Path) -> dict[str, str]:
        good, bad = self._keystore(folder, "broker", 5), self._keystore(folder, "ended", -1)
        doors = {"sasl": good, "mutual": good, "expired": bad}
        found = {
            "listener.security.protocol.map": (
                "CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,SASL:SASL_SSL,MUTUAL:SSL,EXPIRED:SSL"
            ),
            "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
            "super.users": "User:ANONYMOUS",
            "listener.name.sasl.sasl.enabled.mechanisms": "SCRAM-SHA-512,OAUTHBEARER",
            "listener.name.sasl.scram-sha-512.sasl.jaas.config": _SCRAM,
            "listener.name.sasl.oauthbearer.sasl.jaas.config": _BEARER,
            "listener.name.mutual.ssl.client.auth": "required",
        }
        for door, store in doors.items():
            found[f"listener.name.{door}.ssl.keystore.type"] = "PEM"
            found[f"listener.name.{door}.ssl.keystore.location"] = str(store)
            found[f"listener.name.{door}.ssl.truststore.type"] = "PEM"
            found[f"listener.name.{door}.ssl.truststore.location"] = str(self.authority.ca)
        return found

    def _keystore(self, folder: Path, name: str, days: int) -> Path:
        certificate, key = self.authority.sign(name, days=days)
        store = folder / f"{name}.store.pem"
        store.write_bytes(key.read_bytes() + certificate.read_bytes())
        return store

    def __enter__(self) -> SecureBroker:
        self._node.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._node.kill()
        self._node.remove()
