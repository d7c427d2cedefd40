"""The bank's policy as data: which proof gives which level, what that opens, for how long, how often to try.

One immutable `Policy`, carried by `services.policy`; its defaults are the strict reading of the norms (docs/policy.md).
`file` reads and writes policy.toml, `sense` finds what contradicts itself, `words` explains it to a person.
"""

from app.policy.figures import (
    Brand,
    GuessPolicy,
    Handles,
    Lifetimes,
    Method,
    Methods,
    Needs,
    NewBrowser,
    Phone,
    Policy,
    Profile,
    Rate,
    Sending,
    Sessions,
    Term,
    Tries,
    Unknown,
)

__all__ = [
    "Brand",
    "GuessPolicy",
    "Handles",
    "Lifetimes",
    "Method",
    "Methods",
    "Needs",
    "NewBrowser",
    "Phone",
    "Policy",
    "Profile",
    "Rate",
    "Sending",
    "Sessions",
    "Term",
    "Tries",
    "Unknown",
]
