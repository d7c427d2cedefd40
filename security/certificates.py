"""Certificates that come with a token (`x5c`, RFC 7515): worth what a configured root says of them (RFC 5280)."""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Sequence
from datetime import datetime
from typing import Final
from urllib.parse import urlsplit

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import (
    BasicConstraints,
    Certificate,
    CertificatePolicies,
    CertificateSigningRequestBuilder,
    DNSName,
    DuplicateExtension,
    ExtendedKeyUsage,
    ExtensionNotFound,
    KeyUsage,
    Name,
    NameAttribute,
    SubjectAlternativeName,
    UniformResourceIdentifier,
    UnsupportedGeneralNameType,
    load_der_x509_certificate,
    load_pem_x509_certificates,
)
from cryptography.x509.oid import NameOID
from cryptography.x509.verification import (
    ClientVerifier,
    Criticality,
    ExtensionPolicy,
    Policy,
    PolicyBuilder,
    Store,
    VerificationError,
)
from joserfc.jwk import ECKey

from security.encoding import b64url
from security.errors import TokenRefused, WeakKey
from security.jwts import PublicKey, SigningKey

LONGEST_CHAIN: Final = 5


def read_certificates(pem: bytes) -> list[Certificate]:
    """The certificates of a file, the leaf first where it is a chain; raises `WeakKey` for anything else."""
    try:
        return load_pem_x509_certificates(pem)
    except ValueError:
        raise WeakKey("no certificates in PEM") from None


def x5c_of(chain: Sequence[Certificate]) -> list[str]:
    """The header parameter for a chain of ours."""
    return [base64.b64encode(one.public_bytes(Encoding.DER)).decode() for one in chain]


def signing_request(key: SigningKey, host: str) -> bytes:
    """A certificate request (PKCS #10) in PEM for a key of ours and the host that it will stand for."""
    pair = ECKey.import_key(dict(key.private_jwk())).private_key
    assert pair is not None
    builder = CertificateSigningRequestBuilder().subject_name(Name([NameAttribute(NameOID.COMMON_NAME, host)]))
    builder = builder.add_extension(SubjectAlternativeName([DNSName(host)]), critical=False)
    return builder.sign(pair, SHA256()).public_bytes(Encoding.PEM)


def certified_key(certificate: Certificate) -> dict[str, str]:
    """The key that it certifies, bare; raises `WeakKey` for one of another kind than ours."""
    key = _p256(certificate)
    if key is None:
        raise WeakKey("not a certificate for a key on P-256")
    public = ECKey.import_key(key).as_dict(private=False)
    return {name: str(public[name]) for name in ("kty", "crv", "x", "y")}


def certificate_hash(certificate: Certificate) -> str:
    """How OpenID4VP names the bearer of a certificate under `x509_hash`."""
    return b64url(hashlib.sha256(certificate.public_bytes(Encoding.DER)).digest())


def names_of(certificate: Certificate) -> set[str]:
    """Its DNS names and URIs, lower case."""
    try:
        found = certificate.extensions.get_extension_for_class(SubjectAlternativeName).value
    except (ExtensionNotFound, ValueError):
        return set()
    names = found.get_values_for_type(DNSName) + found.get_values_for_type(UniformResourceIdentifier)
    return {name.lower() for name in names}


def key_of_chain(x5c: object, roots: Sequence[Certificate], issuer: str, now: datetime) -> PublicKey:
    """The key of the first certificate, if the chain leads to a root and names this issuer; raises `TokenRefused`.

    The name matters: a root of a national list vouches for many, and each of them only for himself.
    """
    chain = _chain(x5c)
    leaf = chain[0]
    key = _p256(leaf)
    if key is None:
        raise TokenRefused("key")
    try:
        _verifier(roots, now).verify(leaf, chain[1:])
    except (VerificationError, ValueError, DuplicateExtension, UnsupportedGeneralNameType):
        raise TokenRefused("chain") from None
    if not {issuer.lower(), urlsplit(issuer).hostname or issuer.lower()} & names_of(leaf):
        raise TokenRefused("certificate_name")
    return ECKey.import_key(key)


def _p256(certificate: Certificate) -> EllipticCurvePublicKey | None:
    try:
        key = certificate.public_key()
    except (ValueError, UnsupportedAlgorithm):
        return None
    return key if isinstance(key, EllipticCurvePublicKey) and key.curve.name == "secp256r1" else None


def _verifier(roots: Sequence[Certificate], now: datetime) -> ClientVerifier:
    above = (
        ExtensionPolicy.webpki_defaults_ca()
        .may_be_present(CertificatePolicies, Criticality.AGNOSTIC, None)
        .may_be_present(ExtendedKeyUsage, Criticality.AGNOSTIC, None)
    )
    # No web server and no client: a seal, which signs and issues nothing.
    leaf = (
        ExtensionPolicy.permit_all()
        .require_present(SubjectAlternativeName, Criticality.AGNOSTIC, None)
        .require_present(KeyUsage, Criticality.AGNOSTIC, _signs)
        .may_be_present(BasicConstraints, Criticality.AGNOSTIC, _issues_nothing)
    )
    built = PolicyBuilder().store(Store(list(roots))).time(now).max_chain_depth(LONGEST_CHAIN)
    return built.extension_policies(ca_policy=above, ee_policy=leaf).build_client_verifier()


def _signs(_policy: Policy, _certificate: Certificate, usage: KeyUsage) -> None:
    if not usage.digital_signature:
        raise ValueError("not a signing certificate")


def _issues_nothing(_policy: Policy, _certificate: Certificate, constraints: BasicConstraints | None) -> None:
    if constraints is not None and constraints.ca:
        raise ValueError("a certificate authority")


def _chain(x5c: object) -> list[Certificate]:
    if not isinstance(x5c, list) or not 0 < len(x5c) <= LONGEST_CHAIN:
        raise TokenRefused("chain")
    try:
        return [load_der_x509_certificate(base64.b64decode(one, validate=True)) for one in x5c]
    except (ValueError, TypeError, binascii.Error):
        raise TokenRefused("chain") from None
