"""The whole service under faults and load, for as long as somebody has the time; a short storm of each kind is a test.

`python -m tests.storm --seed 1 --events 1000000 --seconds 300 --delivery at_least_once`: telemetry, while processes, nodes,
brokers, the store and links are struck, each at times that the seed says; and a count of what is in Kafka.
`python -m tests.storm.faults --minutes 10 --brokers 3 --transport fast --seed 1`: the same with commands, and reloads.
`python -m tests.storm.half_open --transport fast`: all links fall silent at once; when each was told, and was back.
`python -m tests.storm.soak --minutes 30 --transport fast`: all links cut every 10 s; memory, descriptors and threads.

A program prints a summary or one line of JSON, and exits 1 when something was lost or grew.
"""
