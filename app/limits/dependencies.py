"""`Once`: run an act at most once per Idempotency-Key, in the transaction of the request."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from http import HTTPStatus
from typing import Annotated
from uuid import UUID

from fastapi import Depends, Header, Request
from fastapi.responses import JSONResponse
from pydantic import BaseModel
from sqlalchemy.ext.asyncio import AsyncSession

from app.errors import BadRequest, RiserboError
from app.http.dependencies import Now
from app.limits import idempotency
from app.limits.errors import RefusedBefore
from app.limits.idempotency import LONGEST_KEY


@dataclass(frozen=True)
class Idempotent:
    """The key of this request, if it has one, with what makes two requests the same."""

    key: str | None
    route: str
    body: bytes
    now: Now

    async def answer(
        self,
        db: AsyncSession,
        actor_id: UUID,
        status: int,
        act: Callable[[], Awaitable[BaseModel]],
        *,
        still: Callable[[], Awaitable[object]] | None = None,
    ) -> JSONResponse:
        """The act's answer with `status`; a repeated key gets the first answer and the act does not run again.

        `still` raises for who may not act there any more: an answer does not outlive the right to it.
        A refusal that keeps its changes is an answer too: it would otherwise keep the key claimed, never answered.
        """
        if self.key is None:
            return JSONResponse((await act()).model_dump(mode="json"), status)
        claim = await idempotency.claim(db, actor_id, route=self.route, key=self.key, body=self.body, now=self.now)
        if claim.replay is not None:
            if claim.status is not None and claim.status >= HTTPStatus.BAD_REQUEST:
                raise RefusedBefore(claim.status, **claim.replay)
            if still is not None:
                await still()
            return JSONResponse(claim.replay, claim.status or status, {"Idempotency-Replayed": "true"})
        try:
            document = (await act()).model_dump(mode="json")
        except RiserboError as refusal:
            if refusal.keeps_changes:
                answer = {"code": refusal.code, "message": refusal.message, "details": refusal.details()}
                await idempotency.keep(db, claim, refusal.status, answer)
            raise
        await idempotency.keep(db, claim, status, document)
        return JSONResponse(document, status)


async def _once(
    request: Request, now: Now, idempotency_key: Annotated[str | None, Header(max_length=LONGEST_KEY)] = None
) -> Idempotent:
    if idempotency_key is not None and not (idempotency_key.isascii() and idempotency_key.strip()):
        raise BadRequest("The Idempotency-Key must be printable ASCII.")
    return Idempotent(idempotency_key, f"{request.method} {request.url.path}", await request.body(), now)


Once = Annotated[Idempotent, Depends(_once)]
