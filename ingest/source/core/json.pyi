from ingest.source.core.encoder import CoreEncoder

class JsonEncoder(CoreEncoder):
    def __init__(self, partition: str) -> None: ...
