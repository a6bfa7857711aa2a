"""Checks the IoT Hub's service side: key and right to send commands, and the rate of commands that it takes."""

from ingest.config import Config, Sink
from ingest.config.connection_strings import IotHubAddress
from ingest.doctor.check import Check, Verdict, fail, ok, warn
from ingest.doctor.endpoint import endpoint_checks
from ingest.doctor.identity import needs_token
from ingest.errors import Refused
from ingest.hub.auth.contract import IOT_HUB
from ingest.hub.limits import TIERS, sends_per_second
from ingest.hub.network.route import iot_hub_route
from ingest.hub.tls import iot_hub_context
from ingest.timing import Deadline

NAME = "IoT hub"
_KEY = "hub.iot_hub_connection_string"
_HOST = "hub.iot_hub_host"
_LINK_SECONDS = 4.5


def iot_hub_checks(config: Config, hub: IotHubAddress) -> list[Check]:
    ca_file = config.hub.ca_file
    imports = "ingest.sink.sending.sender", f"ingest.sink.sending.{config.sink.transport}"
    key = _KEY if hub.key else _HOST
    reached = endpoint_checks(NAME, iot_hub_route(config, hub), key, lambda: iot_hub_context(ca_file))
    needs = (reached[-1].name, *needs_token(config, IOT_HUB))
    return [
        *reached,
        Check(f"{NAME} key", lambda: _ask_key(config, hub), needs=needs, imports=imports),
        Check("rate", lambda: judge_rate(config.sink)),
    ]


def _ask_key(config: Config, hub: IotHubAddress) -> Verdict:
    from ingest.sink.sending.sender import Sender

    route = iot_hub_route(config, hub)
    sender = Sender(hub, config.hub.ca_file, transport=config.sink.transport, route=route)
    deadline = Deadline(_LINK_SECONDS)
    sender.start()
    try:
        while not sender.ready and not deadline.expired:
            sender.poll(0.1)
    except Refused as error:
        if not hub.key:
            role = f"give the identity the role {IOT_HUB.role} on the hub"
            return fail(str(error), f"{role} (portal → IoT Hub → Access control); it takes some minutes to work")
        return fail(
            str(error),
            f"copy {_KEY} again (portal → IoT Hub → Shared access policies → service); policy {hub.policy} needs the "
            "right service connect; and set this machine's clock right",
        )
    finally:
        sender.close()
    if sender.links and not deadline.expired:
        return ok(f"policy {hub.policy} may send commands" if hub.key else "the identity may send commands")
    return fail(
        f"no link for commands within {_LINK_SECONDS:g} s ({sender.trouble})",
        f"see whether policy {hub.policy} of {_KEY} is right, and try again"
        if hub.key
        else f"see whether {_HOST} is right",
    )


def judge_rate(sink: Sink) -> Verdict:
    """Compares the configured rate with what tier and units of the hub allow."""
    allowed = sends_per_second(sink.tier, sink.units)
    hub = f"{sink.tier} with {sink.units} unit{'s' * (sink.units != 1)}"
    most_units = TIERS[sink.tier].most_units
    if sink.units > most_units:
        return warn(
            f"sink.units = {sink.units}, and {sink.tier} is sold with {most_units} at the most",
            "write what the portal shows (IoT Hub → Pricing and scale)",
        )
    wanted = sends_per_second(sink.tier, sink.units, sink.sends_per_second)
    if wanted > allowed:
        return warn(
            f"sink.sends_per_second = {wanted:g}, and {hub} takes {allowed:.3g} commands/s",
            f"lower it to {allowed:.3g} or less, leave it out, or scale the hub: it answers the rest with throttling",
        )
    a_day = TIERS[sink.tier].messages_per_day * sink.units
    return ok(f"{wanted:.3g} commands/s of {allowed:.3g} that {hub} takes; {a_day:,} messages a day both ways")
