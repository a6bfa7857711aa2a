"""The event processors of tests/interop in other languages, made ready to run, as command lines.

Every function raises ServiceError, and returns the start of a command line. What is built stays in the clone's cache.
"""

from tests.services import ROOT, compiled, javascript

_SOURCES = ROOT / "tests" / "interop"


def javascript_processor() -> list[str]:
    """On @azure/event-hubs, run by Node."""
    return [*javascript.node_command(), str(javascript.ensure() / "processor.mjs")]


def java_processor() -> list[str]:
    """On azure-messaging-eventhubs."""
    folder = _SOURCES / "java"
    java, classes = compiled.java_program(
        folder / "Processor.java", folder / "pom.xml", "java-processor", "Java's event processor"
    )
    # A short life: no time for the second compiler, and no memory for many collectors.
    quick = ["-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-Xshare:auto", "-Xmx256m"]
    return [java, *quick, "-cp", classes, "Processor"]


def go_processor() -> list[str]:
    """On azeventhubs."""
    return [compiled.go_program(_SOURCES / "go", "go-processor", "Go's event processor")]
