"""The Square as the demonstration's network: seeded with the town, served beside the bank."""

from __future__ import annotations

import secrets
from dataclasses import replace
from typing import Final

from app.channels.ports import Connector
from app.channels.square import square_connector
from app.demo import cast
from app.demo.addresses import Addresses
from app.demo.network import TownNetwork
from app.demo.square import Accepts, Bot, ClientApp, Person, SquareSeed, create_square_app
from app.outbound import OutboundClient
from app.services import Clock
from security.secret import Secret

SITE: Final = "square"


def square_network(addresses: Addresses, clock: Clock, *, accepts_unsolicited: bool = True) -> TownNetwork:
    """A Square with everybody and everything said so far.

    Without `accepts_unsolicited` people get direct messages only from those to whom they have written first.
    """
    url, token, client_secret = addresses.url(SITE), secrets.token_urlsafe(24), secrets.token_urlsafe(24)
    callback = f"{addresses.url('bank')}/signin/{SITE}/callback"
    seed = SquareSeed(
        issuer=url,
        people=(cast.bank_account(), *(_member(one, accepts_unsolicited) for one in cast.TOWN)),
        posts=cast.posts(clock()),
        bots=(Bot(token, cast.BANK_ID),),
        clients=(ClientApp("bank", client_secret, cast.BANK_NAME, (callback,)),),
    )

    def connect(outbound: OutboundClient) -> Connector:
        return square_connector(
            url,
            api_token=Secret(token.encode()),
            client_id="bank",
            client_secret=Secret(client_secret.encode()),
            bank_handle=cast.BANK_HANDLE,
            outbound=outbound,
            accepts_unsolicited=accepts_unsolicited,
        )

    return TownNetwork(
        address=url,
        hosts=addresses.mapped(SITE),
        connect=connect,
        profile=lambda person: f"{url}/@{person.handle}",
        sites={SITE: create_square_app(seed, clock)},
    )


def _member(one: cast.Townsperson, accepts_unsolicited: bool) -> Person:
    person = one.person()
    if accepts_unsolicited or person.accepts is not Accepts.EVERYONE:
        return person
    return replace(person, accepts=Accepts.CONTACTS)
