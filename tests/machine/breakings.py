"""The planted mistakes, and which promise each breaks first where: the machine must find every one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from tests.machine import plants
from tests.machine.plants import Planted
from tests.machine.promises import Promise
from tests.machine.providers import LISTED_PUSH

ALONE, RELAYED, HIJACKED, BOTH = (False, False), (False, True), (True, False), (True, True)
"""(account hijacked, victim gullible): who is the account's holder by theft breaks no promise as it."""


@dataclass(frozen=True)
class Breaking:
    """`breaks` is the promise that the machine is asked for, `powers` those of the attacker that it takes.

    `begins` is a beginning near the place, `listed_push` what the bank's settings say of the push provider.
    """

    says: str
    plant: Callable[[], Planted]
    breaks: Promise
    powers: tuple[bool, bool]
    begins: str = "apart"
    listed_push: str = "{}"


BREAKINGS: Final[dict[str, Breaking]] = {
    "link-as-bearer": Breaking(
        "whoever has the link of a case is in its room", plants.link_as_bearer, Promise.SECRET, ALONE, "victim_in"
    ),
    "state-not-tied-to-the-browser": Breaking(
        "a redirect may be finished in any browser", plants.state_of_any_browser, Promise.INSIDE, ALONE, "attacker_in"
    ),
    "redirect-open-after-a-foreign-browser": Breaking(
        "what came back to a foreign browser stays open to its owner",
        plants.open_after_a_foreign_browser,
        Promise.SECRET,
        RELAYED,
        "relayed_in",
    ),
    "one-verifier-for-all": Breaking(
        "PKCE by a secret that is no secret: a code fits any request",
        plants.one_verifier_for_all,
        Promise.RIGHT,
        RELAYED,
        "at_her_door",
    ),
    "nonce-of-any-request": Breaking(
        "an ID token may answer another request", plants.nonce_of_any_request, Promise.SECRET, RELAYED, "relayed_in"
    ),
    "sign-in-of-any-time": Breaking(
        "a session that was left open at a provider proves who is there",
        plants.sign_in_of_any_time,
        Promise.SECRET,
        RELAYED,
        "relayed_locked",
    ),
    "wallet-answer-without-its-code": Breaking(
        "a wallet's answer counts for the browser that began, wherever the wallet is",
        plants.wallet_answer_without_its_code,
        Promise.SECRET,
        RELAYED,
        "relayed_in",
    ),
    "proofs-kept-per-conversation": Breaking(
        "a proof counts for the case, whoever gave it", plants.proofs_of_the_case, Promise.RIGHT, ALONE, "underway"
    ),
    "any-handle-may-bind": Breaking(
        "another account than the one addressed is taken",
        lambda: plants.never_refused_for("other_account"),
        Promise.RIGHT,
        ALONE,
        "at_her_door",
    ),
    "name-taken-for-the-account": Breaking(
        "an account is compared by its name of today", plants.name_is_identity, Promise.RIGHT, ALONE, "names_changed"
    ),
    "no-level-check-on-reading": Breaking(
        "a session reads its whole room at any level", plants.everything_is_read, Promise.SECRET, BOTH, "relayed_in"
    ),
    "older-text-at-level-2": Breaking(
        "a session at level 2 reads what was written before it",
        plants.older_text_at_level_2,
        Promise.SECRET,
        BOTH,
        "relayed_in",
    ),
    "any-class-that-the-agent-says": Breaking(
        "an agent may call data of an account anything",
        plants.any_class_that_the_agent_says,
        Promise.SECRET,
        RELAYED,
        "relayed_in",
    ),
    "every-acr-is-strong": Breaking(
        "every provider's answer is worth level 3", plants.every_acr_is_strong, Promise.SECRET, RELAYED, "relayed_in"
    ),
    "push-listed-as-relay-resistant": Breaking(
        "a policy that lists a push is taken",
        plants.policy_that_contradicts_itself,
        Promise.SECRET,
        RELAYED,
        "relayed_in",
        LISTED_PUSH,
    ),
    "typed-code-unlocks-level-3": Breaking(
        "a typed code opens a locked room at level 3",
        plants.codes_open_high,
        Promise.SECRET,
        BOTH,
        "relayed_locked",
    ),
    "step-up-by-another-customer": Breaking(
        "a step-up may name somebody else than the bound customer",
        lambda: plants.never_refused_for("other_customer"),
        Promise.OWN,
        RELAYED,
        "relayed_in",
    ),
    "room-of-the-handle-alone": Breaking(
        "a room belongs to the account, whoever the customer is",
        plants.room_of_the_handle,
        Promise.OWN,
        HIJACKED,
        "victim_in",
    ),
    "passkey-of-any-place": Breaking(
        "a passkey may have been asked for by a copy of our pages",
        plants.passkey_of_any_place,
        Promise.SECRET,
        RELAYED,
        "victim_in",
    ),
    "passkey-of-another-binding": Breaking(
        "any passkey of the bank raises any room",
        plants.passkey_of_another_binding,
        Promise.SECRET,
        BOTH,
        "relayed_with_key",
    ),
    "passkey-from-any-link": Breaking(
        "a passkey opens its room from anybody's link",
        plants.passkey_from_any_link,
        Promise.RIGHT,
        ALONE,
        "attacker_in",
    ),
    "never-proved-anew": Breaking(
        "a passkey is enough for ever", plants.never_proved_anew, Promise.RIGHT, HIJACKED, "hijacked_once"
    ),
    "rooms-outlive-accounts": Breaking(
        "who is inside stays inside when the account is no more",
        plants.rooms_outlive_accounts,
        Promise.RIGHT,
        ALONE,
        "victim_in",
    ),
    "disowned-link-goes-on": Breaking(
        "who said that it was not them changes nothing for those inside",
        plants.disowned_goes_on,
        Promise.ENDED,
        RELAYED,
        "relayed_in",
    ),
    "frozen-or-not": Breaking(
        "a link that was disowned can be made again at once",
        plants.frozen_or_not,
        Promise.ENDED,
        BOTH,
        "disowned",
    ),
    "shut-or-not": Breaking(
        "who phoned to be shut can be linked at once to another account",
        plants.shut_or_not,
        Promise.ENDED,
        RELAYED,
        "phoned",
    ),
    "codes-to-a-changed-telephone": Breaking(
        "codes leave for a number that was taken over just now",
        plants.codes_to_a_changed_telephone,
        Promise.QUIET,
        ALONE,
        "telephone_taken",
    ),
}
