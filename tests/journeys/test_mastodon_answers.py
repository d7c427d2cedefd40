"""The bank's words cross to the customer's server: an answer in the thread, once; a code to one person only."""

from __future__ import annotations

import asyncio
import html
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import pytest

from app.cases import service as cases
from app.cases.models import Case
from app.channels.ports import ChannelUnavailable, Connector
from app.demo.snac.account import Account
from app.demo.snac.servers import SnacPair
from app.handover import service as handover
from app.handover.models import Reply
from app.handover.posting import post_reply
from app.notifications.service import Work, claim, retry_later
from app.outbound import OutboundClient, OutboundTimeout
from tests.support.house import ON_SQLITE, House
from tests.support.snac import Fediverse, at_phones, crossed, move_in, polled, posts_of

WORDS = "Buongiorno, ne parliamo in privato qui sotto."


@dataclass(frozen=True)
class Pair:
    """A bank's account and a customer's, and the complaint between them."""

    bank: Account
    customer: Account
    complaint: dict[str, Any]

    def resumed(self, people: Fediverse) -> Pair:
        return Pair(people.resumed(self.bank), people.resumed(self.customer), self.complaint)


@pytest.fixture(scope="module")
def complaints(snac_pair: SnacPair) -> list[Pair]:
    """Two complaints, at the bank's server by now: the tests share one crossing."""

    async def post() -> list[Pair]:
        async with at_phones(snac_pair) as people:
            made = []
            for _ in range(2):
                bank, customer = await people.bank(), await people.person()
                made.append(Pair(bank, customer, await customer.post(f"@{bank.handle} un bollo due volte?")))
            await asyncio.gather(*(crossed(has(one.bank, "bollo")) for one in made))
            return made

    return asyncio.run(post())


def has(account: Account, words: str) -> Callable[[], Awaitable[list[dict[str, Any]]]]:
    return lambda: account.statuses_with(words)


class Forgetful(OutboundClient):
    """Sends what it is given and then, as often as `losing` says, never hears what became of a post."""

    losing = 0

    async def request(self, method: str, url: str, **options: Any) -> Any:
        answer = await super().request(method, url, **options)
        if method == "POST" and self.losing:
            self.losing -= 1
            raise OutboundTimeout("timeout")
        return answer


async def answered(house: House, connector: Connector) -> Case:
    """The complaint arrived, claimed, and a reply registered."""
    move_in(house, connector)
    assert await polled(house, connector) == 1
    case: Case = (await house.all(Case))[0]
    await house.act(lambda db: cases.claim(db, house.anna, case.id))
    await house.act(lambda db: handover.publish(db, house.ports, house.anna, case.id, WORDS))
    return case


async def attempt(house: House) -> Work:
    """One attempt of the worker at posting the reply."""
    house.clock.pass_by(minutes=11)
    [work] = [one for one in await claim(house.services) if one.topic == handover.POST_REPLY]
    await post_reply(house.services, house.ports, work)
    return work


@ON_SQLITE
async def test_an_answer_is_in_the_thread_on_the_other_server_once_though_its_own_answer_was_lost(
    house: House, fediverse: Fediverse, complaints: list[Pair]
) -> None:
    """The network took it and we never heard: the retry finds it in the thread, and the customer sees one."""
    pair, outbound = complaints[0].resumed(fediverse), Forgetful(http_hosts=fediverse.pair.http_hosts)
    connector = fediverse.connector(pair.bank, outbound)
    case = await answered(house, connector)
    outbound.losing = 1
    house.clock.pass_by(minutes=11)
    [lost] = [one for one in await claim(house.services) if one.topic == handover.POST_REPLY]
    with pytest.raises(ChannelUnavailable):
        await post_reply(house.services, house.ports, lost)
    assert await retry_later(house.services, lost, "ChannelUnavailable")
    await attempt(house)
    [reply] = await house.all(Reply)
    assert (reply.state, outbound.losing) == ("posted", 0)
    link = house.ports.case_link(case.slug)
    await crossed(has(pair.customer, link))
    [seen] = await pair.customer.statuses_with(link)
    assert seen["in_reply_to_id"] == pair.complaint["id"]
    assert (seen["account"]["uri"], seen["visibility"]) == (pair.bank.uri, "public")
    thread = await pair.bank.context((await pair.bank.statuses_with("bollo"))[0]["id"])
    assert [link in one["content"] for one in thread] == [True]
    words = html.unescape(re.sub(r"<[^>]+>", "", seen["content"]))
    assert words.startswith(f"@{pair.customer.handle} {WORDS}")


@ON_SQLITE
async def test_a_code_by_direct_message_reaches_one_person_and_nobody_else(
    house: House, fediverse: Fediverse, complaints: list[Pair]
) -> None:
    """The account that complained, by actor URI; not another one at its server, the bank's page or a time line.

    (Whoever knows the status's own address reads it at a snac server, in the page's metadata: docs/limits.md.)
    """
    pair, mallory = complaints[1].resumed(fediverse), await fediverse.person("mallory")
    connector = fediverse.connector(pair.bank)
    assert await polled(house, connector) == 1
    [post] = await posts_of(house)
    assert connector.direct_messages is not None
    await connector.direct_messages.send(post.author, "Il codice di Banca Esempio: 40281937", "key")
    await crossed(has(pair.customer, "40281937"))
    [seen] = await pair.customer.statuses_with("40281937")
    assert (seen["account"]["uri"], seen["visibility"]) == (pair.bank.uri, "private")
    assert await mallory.statuses_with("40281937") == []
    for address in (pair.bank.uri, f"{pair.bank.uri}.rss", f"{pair.bank.server}/api/v1/timelines/public"):
        shown = await fediverse.client.get(address)
        assert shown.status_code == 200
        assert "40281937" not in shown.text, address
