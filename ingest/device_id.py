"""Which device ids IoT Hub accepts.

Source: "Understand the identity registry in your IoT hub", device identity properties, Microsoft Learn.
"""

import re
from typing import Final

MAX_LENGTH: Final = 128
"""Characters."""
ALLOWED: Final = "ASCII letters, digits and - . _ % # * ? ! ( ) , : = @ $ '"
"""The legal characters, for sentences."""
_LEGAL: Final = re.compile(r"[A-Za-z0-9\-._%#*?!(),:=@$']{1,128}", re.ASCII)


def is_legal(device_id: str) -> bool:
    return _LEGAL.fullmatch(device_id) is not None
