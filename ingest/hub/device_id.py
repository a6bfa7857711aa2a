"""Which device ids IoT Hub accepts, and how an address holds one.

Sources: "Understand the identity registry in your IoT hub" and the REST reference of device identities, Microsoft Learn;
what either of them allows is legal here.
"""

import re
from typing import Final
from urllib.parse import quote

MAX_LENGTH: Final = 128
"""Characters."""
ALLOWED: Final = "ASCII letters, digits and - . _ % # * ? ! ( ) , : = @ $ ' + ;"
"""The legal characters, for sentences."""
_LEGAL: Final = re.compile(r"[A-Za-z0-9\-._%#*?!(),:=@$'+;]{1,128}", re.ASCII)
_UNRESERVED: Final = re.compile(r"[A-Za-z0-9\-._~]*")


def is_legal(device_id: str) -> bool:
    return _LEGAL.fullmatch(device_id) is not None


def devicebound(device_id: str) -> str:
    """The address of a device's cloud-to-device messages; the hub decodes the id in it.

    All but letters, digits and - . _ ~ are percent-encoded. The service clients of .NET (WebUtility.UrlEncode) and Node
    (encodeURIComponent) leave some of ! ' ( ) * as they are, which decodes to the same; Python's encodes nothing, so that
    its `valve%41` is the address of `valveA`.
    """
    if not _UNRESERVED.fullmatch(device_id):
        device_id = quote(device_id, safe="")
    return f"/devices/{device_id}/messages/devicebound"
