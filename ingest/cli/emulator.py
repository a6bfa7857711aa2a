"""`ingest emulator`: a local IoT Hub in the foreground, until SIGTERM or Ctrl-C."""

import argparse
import dataclasses
import json
import math
import os
import signal
import sys
from collections.abc import Callable
from ipaddress import IPv4Address
from typing import TYPE_CHECKING

from ingest.cli.parsers import Commands, add_command
from ingest.errors import EXIT_OK, EXIT_USAGE, IngestError
from ingest.extras import require_emulator

if TYPE_CHECKING:
    from ingest.emulator.keys import Endpoints

MEMORY_BYTES = 256 * 1024 * 1024
"""About how much an endless simulation fills before the oldest events are dropped."""
EVENT_OVERHEAD_BYTES = 600
"""Memory of an event without its body."""
MOST_SHOWN = 100
"""Devices whose connection strings `--json` prints."""
STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT)


def add(commands: Commands) -> None:
    parser = add_command(
        commands,
        "emulator",
        "Run a local IoT Hub for tests and trials.",
        "Serves the Event Hub-compatible endpoint, service links for commands (port 5671), and devices over HTTPS and\n"
        "MQTT (port 8883), until SIGTERM or Ctrl-C. When ready, it prints how to connect. Simulated devices send only\n"
        "if --rate or --events is given.",
        "ingest emulator --partitions 4 --devices 10 --rate 100",
        run,
    )
    parser.fill = add_arguments


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the options; some belong to the emulator's parts. Raises IngestError if its packages are not installed."""
    require_emulator("ingest emulator")
    from ingest.hub.limits import EVENT_BYTES, TIERS

    whole, number = _whole_number, _number
    parser.add_argument("--partitions", type=whole(1, 32), default=4, metavar="N", help="1 to 32 (default: 4)")
    parser.add_argument(
        "--devices",
        type=whole(1, 100_000),
        default=10,
        metavar="N",
        help="devices: simulated ones, and those "
        f"whose connection strings --json prints, at most {MOST_SHOWN} (default: 10)",
    )
    parser.add_argument(
        "--rate",
        type=number,
        default=0.0,
        metavar="R",
        help="simulated events per second, over all devices (default: 0 = as fast as the log takes them)",
    )
    parser.add_argument(
        "--events",
        type=whole(0, 10**9),
        default=0,
        metavar="N",
        help="simulated events in total, all kept (default: 0 = with --rate endless, the oldest are dropped at about "
        f"{MEMORY_BYTES >> 20} MiB; without --rate none)",
    )
    parser.add_argument(
        "--seed", type=int, default=0, metavar="N", help="the same seed gives the same telemetry (default: 0)"
    )
    parser.add_argument(
        "--body-bytes",
        type=whole(0, EVENT_BYTES),
        default=0,
        metavar="N",
        help="pad simulated bodies to this size (default: 0 = about 125 bytes, not padded)",
    )
    parser.add_argument(
        "--host", default="127.0.0.1", metavar="ADDRESS", help="IPv4 address to listen on (default: 127.0.0.1)"
    )
    parser.add_argument(
        "--tier",
        choices=list(TIERS),
        help="take cloud-to-device messages at this tier's rate and daily quota (default: no limit)",
    )
    parser.add_argument("--units", type=whole(1, 200), default=1, metavar="N", help="units of the tier (default: 1)")
    parser.add_argument(
        "--c2d-host",
        metavar="ADDRESS",
        help="address whose port 5671, which clients have built in, takes cloud-to-device messages (default: the first "
        "of 127.0.0.1, 127.0.0.2, … on which it is free)",
    )
    parser.add_argument("--json", action="store_true", help="print one line of JSON when ready instead of text")


def run(args: argparse.Namespace) -> int:
    """Serves until a signal. Returns the exit code. Call it in the main thread."""
    from ingest.emulator.devices.fleet import Fleet, device_id
    from ingest.emulator.emulator import Emulator

    try:
        loopback = IPv4Address(args.host).is_loopback
    except ValueError:
        return _wrong_host(args.host, "it is not an IPv4 address")
    if not loopback:
        print(
            f"ingest emulator: warning: listening on {args.host}, not on loopback. Its keys are throw-away, anyone who "
            "has them can read and send; put no real data in.",
            file=sys.stderr,
        )
    # Blocked before there are threads, and fetched below, so that no handler interrupts other code.
    before = signal.pthread_sigmask(signal.SIG_BLOCK, STOP_SIGNALS)
    try:
        emulator = Emulator(
            partitions=args.partitions,
            host=args.host,
            retention_events=_retention(args),
            mqtt=True,
            c2d_host=args.c2d_host,
            tier=args.tier,
            units=args.units,
        )
    except IngestError as error:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        return _usage(f"--tier {args.tier} --units {args.units}: {error}")
    try:
        emulator.start()
        if args.rate or args.events:
            fleet = Fleet(args.devices, args.seed, args.body_bytes)
            emulator.simulate(fleet, rate=args.rate, events=args.events)
        endpoints = emulator.endpoints
        devices = [emulator.devices.connection_string(device_id(n + 1)) for n in range(min(args.devices, MOST_SHOWN))]
        as_json = {**dataclasses.asdict(endpoints), "devices": devices}
        print(json.dumps(as_json) if args.json else _in_words(endpoints, args, devices), flush=True)
        signal.sigwait(STOP_SIGNALS)
    except OSError as error:
        return _wrong_host(
            args.host, os.strerror(error.errno) if error.errno is not None and error.errno > 0 else str(error)
        )
    except IngestError as error:
        return _usage(f"--c2d-host: {error}")
    finally:
        emulator.close()
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
    return EXIT_OK


def _wrong_host(host: str, why: str) -> int:
    return _usage(f"--host {host}: {why}. Give an address of this machine, such as 127.0.0.1.")


def _usage(sentence: str) -> int:
    print(f"ingest emulator: {sentence}", file=sys.stderr)
    return EXIT_USAGE


def _retention(args: argparse.Namespace) -> int | None:
    """Returns how many events each partition keeps; a log holds up to twice as many before it drops a batch."""
    if args.events or not args.rate:
        return None
    event_bytes: int = args.body_bytes + EVENT_OVERHEAD_BYTES
    partitions: int = args.partitions
    return max(1, MEMORY_BYTES // event_bytes // partitions // 2)


def _in_words(endpoints: "Endpoints", args: argparse.Namespace, connection_strings: list[str]) -> str:
    device = f"{endpoints.https}/devices/dev1/messages/events?api-version=2021-04-12"
    if args.events or args.rate:
        pace = f"{args.rate:g} events/s in all" if args.rate else "as fast as they can"
        end = f"{args.events} events" if args.events else "no end"
        devices = f"{args.devices}, {pace}, {end}"
    else:
        devices = "none (--rate or --events starts them)"
    shown = "\n                   ".join(connection_strings[:3])
    return f"""\
A local IoT Hub is ready. Ctrl-C stops it.

Event Hub, plain   {endpoints.event_hub_connection_string}
Event Hub, TLS     {endpoints.event_hub_connection_string_tls}
Event Hub, 5671    {endpoints.event_hub_connection_string_5671}
IoT Hub            {endpoints.iot_hub_connection_string}
Listening          {endpoints.amqp}  {endpoints.amqps}  {endpoints.https}
Control            {endpoints.control}/  (GET lists the calls)
Devices            {shown}
CA for TLS         {endpoints.ca_file}
Partitions         {endpoints.partitions}
Simulated devices  {devices}

Be a device:

curl --cacert {endpoints.ca_file} -H "Authorization: $(curl -s {endpoints.control}/devices/dev1/sas)" \\
     -H 'Content-Type: application/json' -d '{{"t":1}}' '{device}'

ingest.toml:

[hub]
event_hub_connection_string = "{endpoints.event_hub_connection_string}"
iot_hub_connection_string = "{endpoints.iot_hub_connection_string}"
ca_file = "{endpoints.ca_file}"

[checkpoints]
store = "file"
path = "checkpoints"
"""


def _whole_number(least: int, most: int) -> Callable[[str], int]:
    def whole_number(text: str) -> int:
        try:
            value = int(text)
        except ValueError:
            value = least - 1
        if not least <= value <= most:
            raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from {least} to {most}")
        return value

    return whole_number


def _number(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 <= value < math.inf:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of events per second, 0 or more")
    return value
