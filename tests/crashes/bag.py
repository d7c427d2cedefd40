"""The officer's own look after the faults: a bag of the whole log, checked by the verifier that lies inside it."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import zipfile
from pathlib import Path

import httpx2

from app.initialising import TRUST_FILE
from tests.crashes.rig import Rig


async def a_bag_of_the_whole_log_verifies(it: Rig, folder: Path) -> int:
    """Export over the staff door, verify in another process with nothing but Python; returns how many leaves it held."""
    headers = {"host": it.ground.staff_host, "authorization": f"Bearer {it.ground.staff['olga'].token}"}
    url = f"http://{it.served.staff.netloc}/api/v1/exports"
    async with httpx2.AsyncClient(headers=headers, timeout=60) as client:
        wish = {"scope": "log", "reason": "after the faults"}
        asked = await client.post(url, json=wish, headers={"idempotency-key": "after-the-faults"})
        assert asked.status_code == 202, asked.text
        export = asked.json()
        for _ in range(1200):
            if export["state"] in ("ready", "failed"):
                break
            await asyncio.sleep(0.1)
            export = (await client.get(f"{url}/{export['id']}")).json()
        assert export["state"] == "ready", export
        bag = (await client.get(f"{url}/{export['id']}/bag")).content
    path = folder / "bag.zip"
    path.write_bytes(bag)
    with zipfile.ZipFile(path) as archive:
        inside = next(name for name in archive.namelist() if name.endswith("verify.py"))
        (folder / "verify.py").write_bytes(archive.read(inside))
    command = [sys.executable, "-I", "verify.py", str(path), "--trust", str(Path(it.ground.folder) / TRUST_FILE)]
    done = await asyncio.to_thread(subprocess.run, command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    leaves: int = export["log_size"]
    return leaves
