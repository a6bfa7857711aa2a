"""From the old Kafka Connect connector to ingest: its three files as a configuration, its saved positions as checkpoints."""
