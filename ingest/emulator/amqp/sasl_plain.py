"""SASL PLAIN: a user and a password at the start of a connection, as AMQP clients that are not Microsoft's log in.

Source: "AMQP 1.0 in Azure Service Bus and Event Hubs protocol guide" and "Communicate with your IoT hub by using the
AMQP Protocol", Microsoft Learn.
"""

import hmac

from ingest.emulator.amqp.authorization import Authorization
from ingest.emulator.amqp.sas import BadToken
from ingest.emulator.keys import Keys


def log_in(authorization: Authorization, keys: Keys, response: bytes | None) -> bool:
    """Whether the client is let in. What it may do then is in `authorization`.

    At Event Hubs the user is a policy and the password its key; at IoT Hub the user is `policy@sas.root.hub`, and the
    password a token. A device, `id@sas.hub`, is let in to be told on its link that it is not served: SASL has no words.
    """
    try:
        _, user, password = (response or b"").decode().split("\0")
    except ValueError:
        return False
    name, at, host = user.rpartition("@sas.")
    if not at:
        key = keys.event_hub_key(user)
        if key is None or not hmac.compare_digest(key, password.encode()):
            return False
        authorization.open_event_hub()
        return True
    if not host.startswith("root."):
        return bool(name)
    try:
        authorization.put_iot_hub_token(password)
    except BadToken:
        return False
    return True
