"""Prints what Lapilli tells of its volumes, as it comes. Needs nothing but nats-py.

    pip install nats-py
    python notifications.py --server "$(cat lapilli-data/nats.url)" --since 1h

Every message is a CloudEvent whose data is a notification as Cinder's. They come in the order in
which things happened, each at least once: who counts them remembers their ids.
"""

import argparse
import asyncio
import contextlib
import json
import re
from datetime import UTC, datetime, timedelta
from typing import Any

import nats
from nats.errors import TimeoutError as Nothing
from nats.js.api import ConsumerConfig, DeliverPolicy
from nats.js.errors import NotFoundError

STREAM = "LAPILLI_NOTIFICATIONS"
UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


def moment(text: str) -> datetime:
    """`90s`, `5m`, `2h` or `7d` ago, or a time such as 2030-01-02T08:00+00:00."""
    ago = re.fullmatch(r"(\d+)([smhd])", text)
    if ago:
        now = datetime.now(UTC)
        return now - timedelta(**{UNITS[ago[2]]: int(ago[1])})
    return datetime.fromisoformat(text).astimezone(UTC)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Print Lapilli's notifications as they come.")
    parser.add_argument("--server", default="nats://127.0.0.1:4222", help="of NATS")
    parser.add_argument("--since", type=moment, help="also earlier ones: 1h, or a time")
    parser.add_argument("--type", default="", help="only these: volume.create, scheduler, …")
    parser.add_argument("--name", help="go on where a subscriber of this name stopped")
    parser.add_argument("--json", action="store_true", help="the whole CloudEvent, one a line")
    return parser.parse_args()


def line(event: dict[str, Any]) -> str:
    """What happened, for people."""
    said = event["data"]["payload"]
    words = [event["time"][:19], event["type"].ljust(24), event["subject"]]
    words += [str(said[field]) for field in ("status", "size", "reason") if said.get(field)]
    return "  ".join(words)


async def main(wanted: argparse.Namespace) -> None:
    client = await nats.connect(wanted.server, name="notifications-example")
    config = ConsumerConfig(
        deliver_policy=DeliverPolicy.BY_START_TIME if wanted.since else DeliverPolicy.NEW,
        opt_start_time=wanted.since,
        inactive_threshold=None if wanted.name else 60.0,
    )
    about = f"{wanted.type}." if wanted.type else ""
    try:
        inbox = await client.jetstream().pull_subscribe(
            f"lapilli_notifications.{about}>", durable=wanted.name, stream=STREAM, config=config
        )
    except NotFoundError:
        raise SystemExit(f"there is no stream {STREAM}: are notifications.enabled?") from None
    while True:
        try:
            messages = await inbox.fetch(100, timeout=5)
        except Nothing:
            continue
        for message in messages:
            event = json.loads(message.data)
            print(json.dumps(event) if wanted.json else line(event), flush=True)
            await message.ack()


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(main(arguments()))
