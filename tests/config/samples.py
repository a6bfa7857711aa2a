"""Connection strings and a complete configuration that are right, for tests to break one thing at a time."""

from pathlib import Path

EVENT_HUB_KEY = "s3cr3tEventHubKey+/=="
IOT_HUB_KEY = "czNjcjN0SW90SHViS2V5"
BLOB_KEY = "czNjcjN0QmxvYktleQ=="
EVENT_HUB = (
    "Endpoint=sb://ihsuprod.servicebus.windows.net/;SharedAccessKeyName=service;"
    f"SharedAccessKey={EVENT_HUB_KEY};EntityPath=iothub-ehub-a-1"
)
NAMESPACE_KEY = "bmFtZXNwYWNlLWtleQ=="
NAMESPACE = f"Endpoint=sb://plant.servicebus.windows.net/;SharedAccessKeyName=edge;SharedAccessKey={NAMESPACE_KEY}"
IOT_HUB = f"HostName=a.azure-devices.net;SharedAccessKeyName=service;SharedAccessKey={IOT_HUB_KEY}"
BLOB = f"DefaultEndpointsProtocol=https;AccountName=a;AccountKey={BLOB_KEY};EndpointSuffix=core.windows.net"
COMPLETE = f"""
[hub]
event_hub_connection_string = "{EVENT_HUB}"
iot_hub_connection_string = "{IOT_HUB}"
[checkpoints]
blob_connection_string = "{BLOB}"
"""


def written(folder: Path) -> Path:
    """Returns a file of `COMPLETE`, which none but its owner can read."""
    path = folder / "ingest.toml"
    path.write_text(COMPLETE)
    path.chmod(0o600)
    return path
