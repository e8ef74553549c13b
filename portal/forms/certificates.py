"""Certificates of authorities that people paste or upload."""

from __future__ import annotations

from datetime import UTC, datetime

from cryptography import x509


def pem_problem(text: str) -> str:
    """Return why ``text`` is not a usable bundle of PEM certificates, or an empty string; no text is fine."""
    if not text.strip():
        return ""
    if "PRIVATE KEY" in text:
        return "This holds a private key. Only the authority's certificate is needed; keep the key where it was."
    if "BEGIN CERTIFICATE" not in text:
        return "This is not a PEM certificate: it starts with -----BEGIN CERTIFICATE-----."
    try:
        certificates = x509.load_pem_x509_certificates(text.encode())
    except ValueError as error:
        return f"The certificate cannot be read: {str(error).splitlines()[0]}. Copy it again, whole lines included."
    now = datetime.now(UTC)
    if all(certificate.not_valid_after_utc < now for certificate in certificates):
        return f"The certificate expired on {certificates[0].not_valid_after_utc:%Y-%m-%d}. Upload the current one."
    return ""
