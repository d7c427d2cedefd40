"""Request-scoped values as types: the transaction, the reading session, the time, the services, the language.

scope="function" commits before the response is sent, so a 2xx always means "stored". All are `async`, also what only
looks something up: FastAPI sends a plain function to a thread, which costs more than the function.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import datetime
from typing import Annotated

from fastapi import Depends, Request
from sqlalchemy.ext.asyncio import AsyncSession

from app.database import reading, transaction
from app.services import Services


async def current_services(request: Request) -> Services:
    """The services that `main` gave this application."""
    services: Services = request.app.state.services
    return services


CurrentServices = Annotated[Services, Depends(current_services)]


async def current_time(services: CurrentServices) -> datetime:
    """One time for the whole request."""
    return services.clock()


Now = Annotated[datetime, Depends(current_time)]


async def _transaction(services: CurrentServices) -> AsyncIterator[AsyncSession]:
    async with transaction(services) as db:
        yield db


async def _reading(services: CurrentServices) -> AsyncIterator[AsyncSession]:
    async with reading(services) as db:
        yield db


Db = Annotated[AsyncSession, Depends(_transaction, scope="function")]
ReadDb = Annotated[AsyncSession, Depends(_reading, scope="function")]
