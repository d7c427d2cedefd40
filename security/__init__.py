"""Pure security code: bytes, keys and times in; values or exceptions out.

Nothing here reads a clock, a setting, a file or the network, and nothing here logs.

==============  ==================================================================  ===========================
module          promise                                                             format page
==============  ==================================================================  ===========================
errors          every way a check can fail, as one tree                             -
secret          a value that does not print, pickle or compare in variable time     -
encoding        one way to turn fields into bytes, and one way to read them back    -
keys            no data key leaves unwrapped; no weak key is ever used              docs/formats/wrapped-key.md
envelope        a ciphertext opens only in the place it was sealed for              docs/formats/envelope.md
commitments     a text can be proved later, and proves nothing once its key died    docs/formats/commitment.md
merkle          what a log contained cannot change without a failing proof          docs/formats/checkpoint.md
notes           the head of the log is signed in a form that others can check       docs/formats/checkpoint.md
codes           a typed code is stored only as a peppered hash of its challenge     -
totp            an authenticator's code works once                                  -
passkeys        a passkey's answer counts for one question, at one origin, once     -
tokens          bearer tokens are random, and only their hashes are stored          -
passwords       passwords are stored only as Argon2id hashes                        -
jwts            a signed token counts only if every part of it is what was expected   -
id_tokens       an identity counts only for the sign-in that asked for it                   -
dpop            a token bound to a key is worth nothing to who copied it                    -
leaks           what must not be said in public is found, however it is written     -
==============  ==================================================================  ===========================
"""
