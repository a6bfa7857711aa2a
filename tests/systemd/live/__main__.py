"""`python -m tests.systemd.live`: the whole story on an Apache Kafka of its own; prints what took how long."""

import argparse
import sys
from pathlib import Path

from tests.services import ServiceError
from tests.services.kafka import KafkaCluster
from tests.systemd.live import ability, tree
from tests.systemd.live.log import Log
from tests.systemd.live.story import Story


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.systemd.live", description=__doc__)
    parser.add_argument("--install", action="store_true", help="install what it needs, and do nothing else")
    parser.add_argument(
        "--wheel", type=Path, metavar="FILE", help="begin with this wheel, for Python 3.11, such as one of `make wheel`"
    )
    options = parser.parse_args()
    try:
        if options.install:
            ability.install()
            tree.debian()
            return 0
        if lack := ability.lacking():
            print(f"A machine cannot be booted here: {lack}.", file=sys.stderr)
            return 69
        log = Log()
        with KafkaCluster(short_lived=True) as kafka, Story(kafka.bootstrap, log, options.wheel) as story:
            story.tell()
        log("done")
    except ServiceError as error:
        print(error, file=sys.stderr)
        return 69
    return 0


if __name__ == "__main__":
    sys.exit(main())
