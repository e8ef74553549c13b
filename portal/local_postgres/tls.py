"""Certificate authorities and server certificates for local servers; for the tests also unsuitable ones."""

from __future__ import annotations

import ipaddress
import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

VALID_DAYS = 825


@dataclass(frozen=True)
class ServerCertificate:
    """Paths of a server's certificate and key, and of the authority's certificate that clients trust."""

    certificate_file: Path
    key_file: Path
    ca_file: Path


class Authority:
    """A certificate authority whose files live in ``directory``; ``name`` tells several apart."""

    def __init__(self, directory: Path, *, name: str = "Local PostgreSQL authority") -> None:
        self.directory = directory
        self.name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        self._key = ec.generate_private_key(ec.SECP256R1())
        self.ca_file = directory / "ca.crt"
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.ca_file.write_bytes(self._own_certificate().public_bytes(serialization.Encoding.PEM))

    def issue(self, *hosts: str, valid_days: int = VALID_DAYS, expired: bool = False) -> ServerCertificate:
        """Return a certificate for host names or addresses. ``expired`` makes one that ended yesterday."""
        key = ec.generate_private_key(ec.SECP256R1())
        ends_at = _now() + (timedelta(days=-1) if expired else timedelta(days=valid_days))
        certificate = self._sign(hosts, key.public_key(), starts_at=_now() - timedelta(days=30), ends_at=ends_at)
        stem = self.directory / f"server-{certificate.serial_number:x}"
        stem.with_suffix(".crt").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        _write_key(stem.with_suffix(".key"), key)
        return ServerCertificate(stem.with_suffix(".crt"), stem.with_suffix(".key"), self.ca_file)

    def _own_certificate(self) -> x509.Certificate:
        return (
            x509.CertificateBuilder()
            .subject_name(self.name)
            .issuer_name(self.name)
            .public_key(self._key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(_now() - timedelta(days=60))
            .not_valid_after(_now() + timedelta(days=VALID_DAYS))
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(_key_usage(signs_certificates=True), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(self._key.public_key()), critical=False)
            .sign(self._key, hashes.SHA256())
        )

    def _sign(
        self, hosts: Sequence[str], public_key: ec.EllipticCurvePublicKey, *, starts_at: datetime, ends_at: datetime
    ) -> x509.Certificate:
        own_identifier = x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key())
        return (
            x509.CertificateBuilder()
            .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, hosts[0][:64])]))
            .issuer_name(self.name)
            .public_key(public_key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(starts_at)
            .not_valid_after(ends_at)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_key_usage(signs_certificates=False), critical=True)
            .add_extension(x509.SubjectAlternativeName([_general_name(host) for host in hosts]), critical=False)
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
            .add_extension(own_identifier, critical=False)
            .sign(self._key, hashes.SHA256())
        )


def _now() -> datetime:
    return datetime.now(UTC)


def _general_name(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)


def _key_usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        encipher_only=False,
        decipher_only=False,
    )


def _write_key(path: Path, key: ec.EllipticCurvePrivateKey) -> None:
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as stream:
        stream.write(pem)
