"""The text of a new installation's policy.toml: every key at its default, with its reason."""

from __future__ import annotations

from typing import Final

TEMPLATE: Final = """\
# Riserbo: the bank's policy. Each value here is the default, the strict reading of the norms; docs/policy.md names the
# source of each. What is stricter may be written here; what is looser than a norm, or contradicts itself, keeps the
# service from starting. `riserbo doctor --policy` says in words what this file means. A change takes a restart.

# "asvs-3" is ASVS 5.0 level 3: neither SMS nor e-mail proves anything, whatever stands below. Notices still go there.
profile = "standard"

# The methods that may raise the level of a room that is open. A typed code never may.
step_up = ["passkey", "identity"]

# A passkey alone, in a browser that its link was never used from: "prove" asks for the account as well, once; "tell"
# lets it in. Either way the channel on file hears of the browser.
new_browser = "prove"

# The most that each proof of a customer gives; 0 switches it off.
# 2: a typed code, which can be relayed. 3: strong authentication. 4: bound to a device, or a high digital identity.
[methods]
sms = 2
email = 2
totp = 2
# A passkey that is synced between devices, and one that never leaves its device.
passkey = 3
passkey_device_bound = 4
# A sign-in at an identity provider whose acr nobody lists as relay-resistant, and the most that a listed one gives.
identity = 2
identity_relay_resistant = 4

# The most that any proof of a customer gives behind each way to prove the handle; 0 switches it off.
[handles]
sign_in = 4
direct_message = 3

# The level from which on each class of data may be said and read in a room.
[needs]
general = 1
case = 2
account = 3
identity = 4

[lifetimes]
# One try, from the first page to the confirmation, and how long each proof counts within it.
attempt = "30 min"
handle_proof = "15 min"
customer_proof = "10 min"
# A code by direct message, a code by SMS or e-mail, a redirect to a sign-in elsewhere.
handle_code = "10 min"
customer_code = "5 min"
redirect = "10 min"
# A binding, and after how long handle and customer must be proved anew by whoever comes back.
binding = "180 days"
handle_again = "90 days"
customer_again = "180 days"
# How long a pair stays shut after "this was not me", a pair or a customer after the bank's own word.
freeze = "24 h"

# How long a session may do nothing, and how long it lives at most.
[sessions]
visitor = "1 h"
level_2 = { idle = "15 min", absolute = "8 h" }
level_3 = { idle = "5 min", absolute = "1 h" }
level_4 = { idle = "5 min", absolute = "1 h" }
staff = { idle = "15 min", absolute = "8 h" }
api = "8 h"

[tries]
per_code = 5
codes_per_attempt = 3
# Wrong codes of a handle and a customer in a row: a lock, doubling up to the longest.
pair = { in_a_row = 5, first_lock = "15 min", longest_lock = "24 h" }
# Wrong codes a day at one customer, by everybody who is not bound to them.
wrong_a_day = 10
# Wrong codes of a pair since its last right answer: then typed codes are over for it.
wrong_in_all = 100
# Wrong codes at a bound customer, by whoever holds the handle; wrong codes of direct messages at one account.
bound = "30 a month"
message = "8 a day"
# Codes that go back to an account that has written to the bank, whatever strangers have guessed.
answered = "15 a month"
# Wrong codes at customers that one is not bound to: by one handle, from one network, by everybody together.
by_handle = "20 a day"
by_network = "60 an hour"
everybody = "300 an hour"
authenticators = 3

# How many codes leave.
[sending]
handle_account = "3 an hour"
handle_network = "30 an hour"
handle_connector = "600 an hour"
customer_pair = "6 an hour"
customer_new_pairs = "6 a day"
gap = "1 min"

[phone]
# No code by SMS so long after a change of SIM or number; "0 h" switches it off. It needs a source: see docs/policy.md.
quiet = "72 h"
# What to do with a phone that the source does not know: "refuse" or "send".
unknown = "refuse"

# One table for each connector whose customers are offered less than all of the above.
# [brands.mastodon]
# handles = ["sign_in"]
# methods = ["passkey", "identity", "totp"]
"""
