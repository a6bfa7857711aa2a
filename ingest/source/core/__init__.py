"""The hot path compiled, an optional part: frames → raw AMQP messages → events → records, equal to the Python way byte for byte.

Whether it is used, `ingest.source.hot_path` says. `values.pxd` and `text.pxd` read AMQP and write JSON; `slices.pyx` finds the
messages in frames, `lean.pyx` makes events of them, `json.pyx` and `raw.pyx` make records, by what is in `encoder.pyx`.
"""
