"""Another process at a directory of backups: dies at a chosen step, or stands still.

Usage: python -m tests.adapters.backup_store.other_process die|stop ... (see `main`)
"""

import asyncio
import sys
from pathlib import Path

from adapters.backup_store.directory import DirectoryShelf
from tests.adapters.backup_store.contract import CHANGED, CONTENT, a_backup, opened, where
from tests.adapters.drivers.content_contract import blocks
from tests.support.kills import before_every_step, die_at, die_everywhere


def driven(operation: str, directory: Path, *, step: int) -> None:
    """One operation on a fresh directory, killed at the step, if it has that many."""

    async def drive() -> None:
        store = opened(DirectoryShelf(directory), threads=1)
        await store.write(a_backup(1), blocks(CONTENT))
        if operation == "delete":
            await store.write(a_backup(2), blocks(CHANGED))
        die_at(step)
        if operation == "delete":
            await store.delete(where(2))
        else:
            await store.write(a_backup(2, parent=where(1)), blocks(CHANGED))

    asyncio.run(drive())


def stop(directory: Path) -> None:
    """Write a backup, but stand still before it appears until a line comes in."""

    folder = directory / "nightly" / str(where(1).id)

    def act(name: str) -> None:
        if name == "rename" and len(list(folder.iterdir())) > 3:
            print("standing", flush=True)
            sys.stdin.readline()

    before_every_step(act)
    asyncio.run(opened(DirectoryShelf(directory)).write(a_backup(1), blocks(CONTENT)))


def main(role: str, *arguments: str) -> None:
    match role, arguments:
        case "die", (operation, root):
            die_everywhere(Path(root), lambda path, step: driven(operation, path, step=step))
        case "stop", (directory,):
            stop(Path(directory))
        case _:
            raise SystemExit(__doc__)


if __name__ == "__main__":
    main(*sys.argv[1:])
