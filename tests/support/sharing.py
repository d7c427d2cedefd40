"""Which tests share a worker of pytest-xdist, by their path.

The marks that xdist has for it do nothing with pytest 9.2, in silence: they write into a test's id, which nobody reads
any more. A scheduler of one's own is asked for by a documented hook.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Final

import pytest

if TYPE_CHECKING:
    from xdist.scheduler import LoadScopeScheduling

MACHINE: Final = "machine"
"""What loads the machine, kills servers, or measures: one after the other, else they measure each other."""
SHARED: Final = {
    "tests/hostile": MACHINE,
    "tests/crashes": MACHINE,
    "tests/processes": MACHINE,
    "tests/faults": MACHINE,
    "tests/app/bench": MACHINE,
    "tests/powercut": "powercut",
    "tests/planted/test_short_power_cut.py": "powercut",
    "tests/planted/test_planted_faults.py": "planted",
    "tests/journeys/test_story_in_chromium.py": "browser",
    "tests/journeys/test_own_view_in_chromium.py": "browser",
    "tests/journeys/test_passkeys_in_chromium.py": "browser",
    "tests/journeys/test_staff_sign_on_in_chromium.py": "browser",
    "tests/journeys/test_wallet_in_chromium.py": "browser",
    "tests/journeys/test_write_first_in_chromium.py": "browser",
    "tests/journeys/test_refused_in_chromium.py": "browser",
    "tests/journeys/test_ways_in_chromium.py": "browser",
    "tests/app/web/test_pages_in_chromium.py": "browser",
    "tests/app/web/test_tables_in_chromium.py": "browser",
    "tests/app/demo/test_demo_sites_in_chromium.py": "browser",
    "tests/test_tooling_fixtures.py": "browser",
    "tests/journeys/test_headless.py": "story",
    "tests/app/binding/test_openid_ways.py": "openid",
    "tests/app/binding/test_platform_sign_in.py": "openid",
    "tests/app/sign_on/test_again.py": "openid",
    "tests/app/sign_on/test_break_glass.py": "openid",
    "tests/app/sign_on/test_logout.py": "openid",
    "tests/app/sign_on/test_sign_in.py": "openid",
    "tests/journeys/test_headless_on_snac.py": "snac",
    "tests/journeys/test_mastodon_answers.py": "snac",
    "tests/journeys/test_mastodon_arrivals.py": "snac",
    "tests/journeys/test_mastodon_in_chromium.py": "snac",
    "tests/journeys/test_mastodon_sign_in.py": "snac",
}
EACH_FILE: Final = "tests/attacks"
"""Here a file is played in one town, which takes long to build."""
COSTLY: Final = {
    "snac_ground": "snac",
    "browser": "browser",
    "openid": "openid",
    "story": "story",
    "mother": MACHINE,
    "arena": MACHINE,
}
"""Fixtures of which a small machine should never have two: whoever asks for one belongs to its group.

Two Chromiums only slow each other down; the headless story is played once; the social servers have addresses that
nobody else may hold meanwhile. A test that asks for several belongs to the first of their groups.
"""


def group_of(nodeid: str) -> str:
    """The group of a test; alone in its own for most."""
    path = PurePosixPath(nodeid.partition("::")[0])
    if PurePosixPath(EACH_FILE) in path.parents:
        return str(path)
    places = (str(place) for place in (path, *path.parents))
    return next((SHARED[place] for place in places if place in SHARED), nodeid)


def astray(nodeid: str, fixtures: Iterable[str]) -> str | None:
    """The group that a test belongs to by what it asks for, where its path says another."""
    asked = [group for fixture, group in COSTLY.items() if fixture in set(fixtures)]
    return asked[0] if asked and group_of(nodeid) != asked[0] else None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Refuse a run in which something costly would be built twice."""
    for item in items:
        group = astray(item.nodeid, getattr(item, "fixturenames", ()))
        if group is not None:
            raise pytest.UsageError(f"{item.nodeid}: name its file in tests/support/sharing.py, group {group!r}")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> LoadScopeScheduling:
    """Tests are handed out by these groups, the largest first."""
    from xdist.scheduler import LoadScopeScheduling

    class BySharing(LoadScopeScheduling):  # type: ignore[misc]  # xdist has no types
        def _split_scope(self, nodeid: str) -> str:
            return group_of(nodeid)

    return BySharing(config, log)
