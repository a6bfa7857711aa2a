"""The hot path compiled, an optional part: frames → raw AMQP messages → events → records, equal to the Python way byte for byte.

Whether it is used, `ingest.source.decoder` says. `values.pxd` and `text.pxd` read AMQP and write JSON; `slices.pyx` finds the
messages in frames, and `lean.pyx` makes events of them;
`json.pyx` and `raw.pyx` make their records, by what is in `encoder.pyx`.
"""
