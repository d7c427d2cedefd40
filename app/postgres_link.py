"""How every connection to PostgreSQL notices that its far end is gone."""

from __future__ import annotations

from typing import Any, Final

FAR_END: Final[dict[str, Any]] = {
    "connect_timeout": 5,
    "keepalives_idle": 5,
    "keepalives_interval": 2,
    "keepalives_count": 3,
    "tcp_user_timeout": 10_000,
}
"""libpq's own options; seconds, the last one milliseconds."""
