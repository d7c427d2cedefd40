"""English ways to say that somebody is a customer; notation as in the Italian list."""

from __future__ import annotations

from typing import Final

_NETWORKS: Final = "(?:x|twitter|mastodon|bluesky|facebook|instagram|threads|linkedin|tiktok|youtube|the square|square|social media|this network|this platform)"
_KIND: Final = (
    "(?:new |old |own |joint |existing |average |recent |first |second |latest |last |current |monthly ){0,2}"
)
_PRODUCT: Final = (
    f"(?:(?:(?:current|savings?|bank|checking|joint|business|deposit) )?(?:accounts?|accts?|a c)(?! (?:here )?(?:on|at|name|"
    f"handle) {_NETWORKS}| handle| name>)|mortgages?|loans?|"
    "(?:(?:credit|debit|prepaid|bank|payment) )?cards?|overdraft|balances?|savings|isa|deposits?|portfolio|"
    "investments?|"
    "(?:bank|account|card) statements?|direct debits?|standing orders?|instal+ments?|che(?:que|ck)s|salary|"
    "transfers?|withdrawals?|iban|"
    "sort code|online banking|pension|pin|cash machine withdrawal|transactions?|payments?|repayments?|arrears)"
)
_ADJECTIVE: Final = "(?:valued |loyal |existing |long ?standing |good |private |business |premium ){0,2}"
_CUSTOMER: Final = "(?:customers?|clients?|account ?holders?|card ?holders?|borrowers?)"
_ABOUT_THE_POST: Final = "(?:message|post|complaint|question|query|comment|report|request|feedback|tweet|concern|toot|mention|reply|words|note|thread|ticket|case)"
_HARMLESS: Final = (
    "(?! (?:a |an |some |any |several |just |already |also |had |been |not |many |more |further |got )*"
    "(?:question|issue|problem|concern|trouble|post|writ|wrote|ask|tag|mention|contact|reach|complain|message|"
    "tweet|tried|try|wait|dm|doubt|"
    "comment|difficult|experienc|share|rais|rep|sent us|your reason|your say))"
)

ENGLISH: Final = (
    ("your product", "block", f"<(?:your|ur|yr) {_KIND}{_PRODUCT}>"),
    ("as our customer", "block", f"<(?:as|being) (?:one of )?our {_ADJECTIVE}{_CUSTOMER}>"),
    (
        "as our customer",
        "block",
        f"<(?:as|being) an? {_ADJECTIVE}(?:customer|client|account ?holder|card ?holder)(?: of ours| with us|"
        f" of our bank)?>(?! (?:focused|service|care|centric))",
    ),
    (
        "is a customer",
        "status",
        f"<(?:you are|you re|youre|you were|you have been|you ve been) (?:already |still |also |indeed |not |"
        f"no longer |currently ){{0,2}}(?:one of |an? |our ){{0,2}}{_ADJECTIVE}{_CUSTOMER}>",
    ),
    (
        "is no customer",
        "status",
        f"<(?:you aren t|you are not|you re not|you weren t) (?:an? |our |yet |"
        f"currently ){{0,2}}{_ADJECTIVE}{_CUSTOMER}>",
    ),
    (
        "we see",
        "block",
        f"<(?:we|i)(?: can| do| also| already){{0,2}} (?:see|saw|notice|noticed|found|confirm|"
        f"note) (?:that )?(?:you (?:have|hold|own|opened|made|took|paid|withdrew|transferred|owe)|you ve|"
        f"youve)>{_HARMLESS}",
    ),
    (
        "we see",
        "block",
        "<(?:we|i)(?: can| do| also){0,2} (?:see|saw|notice|noticed|found|confirm|note) (?:that )?you (?:are|"
        "were|re) (?:an? |our |also |indeed )*(?:customer|client|account ?holder|charged|debited|billed|"
        "overdrawn|in arrears|late with)>",
    ),
    (
        "records",
        "block",
        "<(?:our|the bank s) (?:records?|systems?|files?|database) (?:clearly |also )?(?:show|indicate|say|tell|"
        "suggest|confirm|state)s?>",
    ),
    ("records", "block", "<(?:according to|based on|from|in|on) our (?:records|files|database|books)>"),
    (
        "we have done",
        "block",
        f"<(?:we|i)(?: have| ve| had)?(?: already| just| now| also){{0,2}} (?:checked|verified|reviewed|"
        f"looked (?:at|into|up)|examined|blocked|unblocked|closed|reopened|updated|frozen|unfrozen|cancelled|"
        f"reissued|accessed|located|found) your>(?! (?:\\w{{1,10}} )?{_ABOUT_THE_POST})",
    ),
    (
        "we have done",
        "block",
        "<(?:we|the bank)(?: have| ve| had| has)?(?: already| just| now| also| wrongly){0,2} (?:refunded|"
        "credited|debited|charged|reimbursed|billed|overcharged|lent|paid|repaid) you>",
    ),
    (
        "we have done",
        "block",
        "<you (?:have been|were|ve been|had been|will be)(?: already| wrongly| correctly){0,2} (?:refunded|"
        "credited|debited|charged|reimbursed|billed|overcharged)>",
    ),
    ("your product", "block", f"<your (?:\\w{{1,10}} )?application for (?:an? |the )?{_PRODUCT}>"),
    (
        "we have done",
        "block",
        "<(?:we|i)(?: have| ve| had)?(?: already| just| now){0,2} (?:refunded|credited|reversed|waived|debited|charged) your>",
    ),
    (
        "refunded",
        "block",
        "<we(?: will| ll| are going to| are| shall) (?:refund|credit|reimburse|debit|charge)(?:ing)? (?:you|your)>",
    ),
    (
        "refunded",
        "block",
        "<we(?: have| ve)?(?: already| just| now){0,2} (?:refunded|credited|debited|returned|paid) (?:\\w{1,8} ){1,4}(?:back )?to you>",
    ),
    (
        "refunded",
        "block",
        "<(?:ve|have|we)(?: already| just)? (?:refunded|credited|debited) (?:\\w{1,8} ){1,4}back>",
    ),
    ("your product", "block", "<your application (?:has been|was|is) (?:approved|rejected|declined|accepted|refused)>"),
    ("your product", "block", f"<your {_KIND}(?:stamp duty|fees?|commission)>"),
    ("your money", "block", "<your (?:money|funds) (?:is|are) (?:\\w{1,10} ){0,2}with us>"),
    ("is a customer", "status", f"<(?:you are|you re|youre) one of our (?:\\w{{3,10}} ){{0,2}}{_CUSTOMER}>"),
    ("in your name", "block", "<(?:account|card|mortgage|loan|policy|record)s? (?:\\w{1,10} )?(?:in|under) your name>"),
    (
        "thanks",
        "block",
        "<(?:thank you|thanks)(?: so much| very much)? for (?:being (?:an? |our |one of our |with us)|"
        "banking with us|your (?:loyalty|custom|business)>|staying with us)",
    ),
    (
        "customer since",
        "block",
        "<(?:customer|client|with us|bank(?:ed|ing) with us) (?:since|for (?:\\d|many|several|over|more|years|"
        "a decade|so many))",
    ),
    (
        "you have with us",
        "block",
        f"<(?:the|that|this) (?:\\w{{1,12}} )?{_PRODUCT} (?:that )?(?:you (?:have|hold|opened|"
        f"took out) )?(?:with|at) (?:us|our (?:bank|branch))>",
    ),
    (
        "you have with us",
        "status",
        f"<you (?:already |also |still |currently )?(?:have|hold|own|opened|took out|had) (?:an?|the|two|three|"
        f"several|your) (?:\\w{{1,12}} ){{0,2}}{_PRODUCT}>(?! (?:question|number))",
    ),
    (
        "you have with us",
        "status",
        "<you (?:already |still )?(?:bank|banked|have banked|ve banked|have been banking|have been|ve been) with us>",
    ),
    (
        "no relationship",
        "status",
        f"<you (?:do not|don t|dont|did not|didn t|no longer|never)(?: actually)? (?:have|had|hold|held|"
        f"bank)(?: an?| any)? ?(?:{_PRODUCT})? (?:with|at) us>",
    ),
    (
        "no relationship",
        "status",
        "<(?:we have|there is|we find|we found|we hold) no (?:account|record|trace|customer|card|mortgage|"
        "loan)s? (?:\\w{1,10} ){0,2}(?:you|your)>",
    ),
    (
        "your people",
        "warn",
        "<your (?:\\w{1,10} )?(?:branch|relationship manager|account manager|adviser|advisor|financial position)>",
    ),
    ("dear customer", "warn", "<(?:dear|valued|dearest) (?:valued )?(?:customer|client)>"),
)
