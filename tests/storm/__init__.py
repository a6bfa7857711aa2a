"""Programs that are run by hand, each bounded in time: the whole service under faults and load.

`python -m tests.storm.faults --minutes 10 --brokers 3 --transport fast --seed 1`: kills, freezes, reloads, cut links.
`python -m tests.storm.half_open --transport fast`: all links fall silent at once; when each was told, and was back.
`python -m tests.storm.soak --minutes 30 --transport fast`: all links cut every 10 s; memory, descriptors and threads.

`python -m tests.storm.frozen --seconds 60`: two services on one consumer group, each frozen once while the other goes on.

A program prints a summary and one line of JSON, and exits 1 when something was lost or grew.
"""
