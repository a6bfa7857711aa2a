"""The loop of Microsoft's documentation for commands: the baseline that the sink is compared with.

`python -m bench.stock_sender IOT_HUB_CONNECTION_STRING DEVICES MESSAGES SECONDS` sends until either is used up, and
prints one line of JSON: `sent`, `wall_seconds`, `cpu_seconds`. Trusts the CA in $SSL_CERT_FILE. Source of the loop:
"Send cloud-to-device messages with IoT Hub" (Python), Microsoft Learn.
"""

import json
import sys
import time

from azure.iot.hub import IoTHubRegistryManager


def main(connection_string: str, devices: int, messages: int, seconds: float) -> None:
    manager = IoTHubRegistryManager.from_connection_string(connection_string)
    manager.send_c2d_message("stock-0", "connects")
    started, cpu_started, sent = time.perf_counter(), time.process_time(), 0
    while sent < messages and time.perf_counter() - started < seconds:
        manager.send_c2d_message(f"stock-{sent % devices}", str(sent // devices))
        sent += 1
    figures = {
        "sent": sent,
        "wall_seconds": time.perf_counter() - started,
        "cpu_seconds": time.process_time() - cpu_started,
    }
    print(json.dumps(figures), flush=True)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), float(sys.argv[4]))
