"""The hot path compiled, an optional part: raw AMQP messages → events → records, equal to the Python way byte for byte.

Whether it is used, `ingest.source.hot_path` says. `values.pxd` and `text.pxd` read AMQP and write JSON; `lean.pyx` makes events;
`json.pyx` and `raw.pyx` make their records, by what is in `encoder.pyx`.
"""
