from ingest.source.core.encoder import CoreEncoder

class RawEncoder(CoreEncoder):
    def __init__(self, partition: str) -> None: ...
