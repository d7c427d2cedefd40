"""Every way a check in this package can fail.

SecurityError
├── DecryptionFailed    a ciphertext does not open here
├── UnknownKey          a key that is named is not held
├── WeakKey             a key that must not be used
├── CodeRefused         a typed code is wrong
│   └── CodeReplayed    a typed code is right, and was used before
├── BadSignature        a signed note does not verify
├── BadCheckpoint       a signed text is not a checkpoint
├── ProofInvalid        a proof does not lead to its root or commitment
├── EncodingError       bytes or text not in the one accepted form
├── PasskeyRefused      a passkey's answer does not hold for its question
├── PasswordRefused     a password is wrong, or cannot be one
└── TokenRefused        a signed token or proof is not what was expected
    └── UnknownSigner   ... and the keys at hand do not hold the one it names
"""


class SecurityError(Exception):
    """Any refusal of this package."""


class DecryptionFailed(SecurityError):
    """The ciphertext was changed, cut, moved to another place, or belongs to another key; never said which."""


class UnknownKey(SecurityError):
    """The key version that is asked for is not in the ring."""


class WeakKey(SecurityError):
    """The key is short, has a pattern, or is a value that everybody knows."""


class CodeRefused(SecurityError):
    """The code is not the expected one."""


class CodeReplayed(CodeRefused):
    """The code was right, but its time step was already used."""


class BadSignature(SecurityError):
    """The note is malformed, no known key signed it, or a known key's signature is wrong."""


class BadCheckpoint(SecurityError):
    """The text is not a checkpoint in the accepted form."""


class ProofInvalid(SecurityError):
    """The proof does not show what it claims."""


class EncodingError(SecurityError):
    """The value has no canonical encoding, or the encoded form is not the canonical one."""


class PasswordRefused(SecurityError):
    """The password does not match, or cannot be a password."""


class PasskeyRefused(SecurityError):
    """The answer is not this passkey's to this question at this origin; `reason` is one word, for the log alone."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class TokenRefused(SecurityError):
    """A JSON Web Token is not what was expected. `reason` is one word of ours, for the evidence; never from outside."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class UnknownSigner(TokenRefused):
    """No key at hand, or more than one, fits the key id and algorithm; fresh keys may help."""
