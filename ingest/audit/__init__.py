"""`ingest audit`: counts, for a stretch of time, what the hub had and what Kafka has."""
