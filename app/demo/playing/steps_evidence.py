"""The officer's part: exports with their reason, and what the bags hold of the story."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import zipfile
from typing import Any, Final

from app.demo.playing.holding import require, until
from app.demo.playing.people import Company
from app.demo.playing.steps_room import ACCOUNT_ANSWER, HELLO

REASON: Final = "Reclamo pubblico, richiesta dell'autorità"
LUCAS_ACTS: Final = ("read", "watch", "step_up", "post")


async def exports(company: Company) -> None:
    """Paolo takes trust.json, then exports Giulia's room and the whole log; nobody else may."""
    paolo, story = company.paolo, company.story
    wanted: dict[str, Any] = {"scope": "room", "conversation_id": story.room_id, "reason": REASON}
    (await company.anna.post("/exports", wanted)).expect_refusal(403, "exports_not_for_role")
    await paolo.sign_in(company.bank.house.services.clock())
    story.trust = json.dumps(await paolo.get("/exports/trust")).encode()
    story.bags["room"] = await _bag(company, wanted)
    story.bags["log"] = await _bag(company, {"scope": "log", "reason": REASON})


async def _bag(company: Company, wanted: dict[str, Any]) -> bytes:
    """Ask, wait for the worker, download; the bytes are the ones that the log names."""
    export = (await company.paolo.post("/exports", wanted)).expect(202)

    async def look() -> dict[str, Any] | None:
        found: dict[str, Any] = await company.paolo.get(f"/exports/{export['id']}")
        require(found["state"] != "failed", f"the export failed: {found['failure']}")
        return found if found["state"] == "ready" else None

    ready = await until(look, "the bag")
    bag = await company.paolo.fetch(f"/exports/{export['id']}/bag")
    require(hashlib.sha256(bag).hexdigest() == ready["digest"], "the bag is not the one that was announced")
    return bag


async def contents(company: Company) -> None:
    """The room's bag has the conversation in readable form; both have the insider's refusals, the log has no text."""
    room, log = (zipfile.ZipFile(io.BytesIO(company.story.bags[name])) for name in ("room", "log"))
    transcript = _read(room, "data/transcript.txt").decode()
    require(HELLO in transcript and ACCOUNT_ANSWER in transcript, "the transcript lacks what was said")
    lines = [json.loads(line) for line in _read(room, "data/leaves.jsonl").splitlines()]
    of_room = [json.loads(base64.b64decode(line["leaf"])) for line in lines]
    of_log = [json.loads(line) for line in _read(log, "data/leaves.jsonl").splitlines()]
    stream = f"room:{company.story.room_id}:access"
    for leaves in (of_room, of_log):
        acts = [
            leaf["data"]["act"]
            for leaf in leaves
            if leaf["stream"] == stream and leaf["t"] == "room.refused" and leaf["actor"]["id"] == company.luca.id
        ]
        require(set(LUCAS_ACTS) <= set(acts), f"of the insider's acts the log has {acts}")
    events = {leaf["t"] for leaf in of_log}
    wanted = {"pair.locked", "attempt.refused", "reply.checked", "message.held", "message.released", "binding.created"}
    require(wanted <= events, f"the log lacks {', '.join(sorted(wanted - events))}")
    require(HELLO.encode() not in b"".join(map(log.read, log.namelist())), "the log's bag has a text")


def _read(bag: zipfile.ZipFile, name: str) -> bytes:
    found = [entry for entry in bag.namelist() if entry.partition("/")[2] == name]
    require(len(found) == 1, f"the bag has {name} {len(found)} times")
    return bag.read(found[0])
