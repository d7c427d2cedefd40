"""Proofs and bindings: one browser session, one attempt, handle first, then customer.

STARTED → HANDLE_PENDING → HANDLE_OK → CUSTOMER_PENDING → CUSTOMER_OK → BOUND; REFUSED, CANCELLED and EXPIRED end it.
Every transition is a compare-and-set on (id, state, version) with its leaf in the same transaction. Each page step is
one function that opens its own transactions, takes plain arguments and returns a frozen dataclass or None:

    starting.start                              POST /c/{slug}/start
    handle_proof.request_handle, .resend        POST /c/{slug}/handle
    handle_proof.check_handle_code              POST /c/{slug}/handle/code
    handle_proof.finish_sign_in                 GET  /signin/{connector}/callback
    customer_proof.request_customer_code, .resend_customer_code, identity_proof.begin_identity
                                                POST /c/{slug}/customer
    customer_proof.check_customer_code          POST /c/{slug}/customer/code
    identity_proof.finish_identity              GET  /identity/{provider}/callback, for all three purposes
    confirming.confirm                          POST /c/{slug}/confirm
    step_up.begin_step_up                       POST /room/step-up
    unlocking.request_unlock_code, .check_unlock_code, .begin_unlock   POST /room/unlock
    leaving.leave_room                          POST /room/leave
    authenticator.offer_authenticator, .add_authenticator   GET and POST /room/authenticator
    revoking.not_me                             POST /not-me
    queries.view_of_attempt, .step_of, .unlock_method, .proofs_of_binding   what the pages show (reading session)

Outbox: `code_delivery.HANDLERS`, `notices.HANDLERS`. Sweeps: `sweeping.sweep`, `notices.announce_unread`.
"""
