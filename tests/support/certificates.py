"""Certificate authorities of a test, and what they certify."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID


@dataclass(frozen=True)
class Authority:
    """A root, or an authority below one."""

    key: ec.EllipticCurvePrivateKey
    certificate: x509.Certificate

    def certify(
        self,
        key: ec.EllipticCurvePublicKey,
        at: datetime,
        *,
        names: Sequence[str] = (),
        uris: Sequence[str] = (),
        days: int = 90,
        signs: bool = True,
        is_authority: bool = False,
    ) -> x509.Certificate:
        """A certificate that holds from a day before `at`."""
        found = [*(x509.DNSName(one) for one in names), *(x509.UniformResourceIdentifier(one) for one in uris)]
        builder = _builder("certified", self.certificate.subject, key, at, days, is_authority=is_authority, signs=signs)
        if found:
            builder = builder.add_extension(x509.SubjectAlternativeName(found), critical=False)
        issuer = x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key())
        return builder.add_extension(issuer, critical=False).sign(self.key, SHA256())

    def below(self, at: datetime) -> Authority:
        """An authority that this one vouches for."""
        key = ec.generate_private_key(ec.SECP256R1())
        return Authority(key, self.certify(key.public_key(), at, is_authority=True))


def root(at: datetime, name: str = "root") -> Authority:
    """An authority that vouches for itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    builder = _builder(name, subject, key.public_key(), at, 3650, is_authority=True, signs=False)
    return Authority(key, builder.sign(key, SHA256()))


def pem(*certificates: x509.Certificate) -> bytes:
    """The certificates of a file."""
    return b"".join(one.public_bytes(Encoding.PEM) for one in certificates)


def _builder(
    name: str,
    issuer: x509.Name,
    key: ec.EllipticCurvePublicKey,
    at: datetime,
    days: int,
    *,
    is_authority: bool,
    signs: bool,
) -> x509.CertificateBuilder:
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    usage = x509.KeyUsage(
        digital_signature=signs,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=not signs and not is_authority,
        key_cert_sign=is_authority,
        crl_sign=is_authority,
        encipher_only=False,
        decipher_only=False,
    )
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(at - timedelta(days=1))
        .not_valid_after(at + timedelta(days=days))
        .add_extension(x509.BasicConstraints(ca=is_authority, path_length=None), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
    )
