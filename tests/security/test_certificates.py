"""Chains that lead to a root, and what certificates say of their bearer. What is refused: test_forgeries.py."""

from __future__ import annotations

import pytest
from cryptography.x509 import DNSName, SubjectAlternativeName, load_pem_x509_csr

from security.certificates import (
    certificate_hash,
    certified_key,
    key_of_chain,
    names_of,
    read_certificates,
    signing_request,
    x5c_of,
)
from security.errors import TokenRefused
from tests.security.forged_jwts import NOW
from tests.security.forged_presentations import ISSUER, PID, pid_root, public_of, right_chain
from tests.support.certificates import pem


def test_a_chain_gives_its_first_key() -> None:
    roots = [pid_root().certificate]
    assert key_of_chain(x5c_of(right_chain()), roots, ISSUER, NOW).thumbprint() == PID.kid


def test_a_host_name_stands_for_the_issuer_too() -> None:
    leaf = pid_root().certify(public_of(PID), NOW, names=["PID.example"])
    assert key_of_chain(x5c_of([leaf]), [pid_root().certificate], ISSUER, NOW).thumbprint() == PID.kid


def test_an_issuer_that_is_no_address_has_no_host_to_stand_for_it() -> None:
    leaf = pid_root().certify(public_of(PID), NOW, uris=[""], names=["pid.example"])
    with pytest.raises(TokenRefused, match="certificate_name"):
        key_of_chain(x5c_of([leaf]), [pid_root().certificate], "urn:pid", NOW)


def test_a_file_of_certificates_is_read_in_its_order() -> None:
    assert read_certificates(pem(*right_chain())) == list(right_chain())


def test_a_certificate_names_its_key_its_bearer_and_itself() -> None:
    leaf = right_chain()[0]
    assert certified_key(leaf) == PID.bare_jwk()
    assert names_of(leaf) == {ISSUER}
    assert names_of(pid_root().certificate) == set()
    assert len(certificate_hash(leaf)) == 43


def test_a_request_for_a_certificate_is_for_our_key_and_host() -> None:
    asked = load_pem_x509_csr(signing_request(PID, "chat.bank.example"))
    assert asked.is_signature_valid
    assert asked.public_key() == public_of(PID)
    names = asked.extensions.get_extension_for_class(SubjectAlternativeName).value
    assert names.get_values_for_type(DNSName) == ["chat.bank.example"]
