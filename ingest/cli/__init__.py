"""What the smaller commands do: one file each, called by `ingest.cli.main` with typed values and a configuration."""
