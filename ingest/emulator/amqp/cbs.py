"""$cbs: clients put tokens here before they attach (AMQP claims-based security 1.0, put-token)."""

from collections.abc import Callable

from ingest.amqp.message import Message, Value
from ingest.emulator.amqp.authorization import DEVICES, is_of_a_device, is_of_iot_hub
from ingest.emulator.amqp.jwt import IOT_HUB_SCOPE
from ingest.emulator.amqp.ports import Peer
from ingest.emulator.amqp.request_links import response
from ingest.emulator.amqp.sas import BadToken

NODE = "$cbs"
_SAS, _JWT, _BEARER = "servicebus.windows.net:sastoken", "jwt", "bearer"


def answer(peer: Peer, request: Message, refuses_token: Callable[[], bool]) -> Message:
    """202, or 200 from IoT Hub, when the token is good, 401 with the reason when it is not.

    400 for anything but put-token, 501 for what a device claims. `refuses_token()`: whether a fault refuses this one.
    """
    asked = request.application_properties or {}
    audience = asked.get("name")
    token = request.body.value if isinstance(request.body, Value) else None
    if asked.get("operation") != "put-token" or not isinstance(audience, str) or not isinstance(token, str):
        return response(400, "BadRequest: only put-token with a name and a token as value is understood here.")
    kind = asked.get("type")
    if kind not in (_SAS, _JWT, _BEARER):
        return response(401, f"InvalidTokenType: shared access signatures, jwt and bearer are accepted, not {kind!r}.")
    if is_of_a_device(audience):
        return response(501, DEVICES)
    if refuses_token():
        return response(401, "InvalidSignature: The token was refused by a fault of the emulator.")
    try:
        _put(peer, kind, audience, token)
    except BadToken as error:
        return response(401, str(error))
    # Event Hubs answers 202; the JavaScript client of IoT Hub takes nothing but 200 for a yes.
    return response(200, "OK") if is_of_iot_hub(audience) else response(202, "Accepted")


def _put(peer: Peer, kind: str, audience: str, token: str) -> None:
    """Raises BadToken."""
    match kind:
        case "bearer" if audience == IOT_HUB_SCOPE:
            peer.authorization.put_bearer(token)
        case "bearer":
            raise BadToken(
                f"InvalidAudience: a token of type bearer is put for '{IOT_HUB_SCOPE}', not for '{audience}'."
            )
        case "jwt" if not is_of_iot_hub(audience):
            peer.authorization.put_jwt(audience, token)
        case "jwt":
            raise BadToken("InvalidTokenType: IoT Hub takes tokens of an identity as type bearer.")
        case _:
            peer.authorization.put_token(audience, token)
