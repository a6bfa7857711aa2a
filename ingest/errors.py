"""One short tree of errors, split by what the caller should do: stop, wait and retry, or dead-letter."""

from dataclasses import dataclass

EXIT_OK = 0
EXIT_CRASH = 1
EXIT_USAGE = 2
EXIT_UNAVAILABLE = 69
"""A service refused us for a reason that waiting does not remove: wrong key, unknown hub, missing topic
(EX_UNAVAILABLE)."""
EXIT_CONFIG = 78
"""The configuration is wrong; a restart cannot help (EX_CONFIG, systemd's RestartPreventExitStatus)."""
EXIT_INTERRUPTED = 130
"""Ctrl-C, as a shell reports it: 128 + SIGINT."""


class IngestError(Exception):
    """Base of every error that this package raises on purpose. `str()` is one sentence for the user."""

    exit_code = EXIT_CRASH


@dataclass(frozen=True)
class Problem:
    """One thing wrong with the configuration."""

    key: str
    """Dotted path, as in the TOML file: `source.topic`."""
    value: str
    """The value as the user wrote it, or `***` for a secret."""
    fix: str
    """What is wrong and what to write instead, one clause or sentence."""

    def __str__(self) -> str:
        shown = f" = {self.value}" if self.value else ""
        return f"{self.key}{shown}: {self.fix}"


class ConfigError(IngestError):
    """Stop: the configuration is wrong. Carries every problem found, not only the first."""

    exit_code = EXIT_CONFIG

    def __init__(self, problems: list[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("; ".join(str(problem) for problem in problems))


class Refused(IngestError):
    """Stop, if it happens at the first start: a service refused us (wrong key, unknown hub, missing topic)."""

    exit_code = EXIT_UNAVAILABLE


class Mismatched(Refused):
    """Stop, if it happens at the first start: a service answers and is not what the configuration says of it, so that only
    another configuration helps."""

    exit_code = EXIT_CONFIG


class Unreachable(IngestError):
    """Wait and retry: a service did not answer, or answered that it is busy."""

    exit_code = EXIT_UNAVAILABLE


class Undeliverable(IngestError):
    """Dead-letter: this one record can never be delivered, but those after it can.

    `reason` is a short code used as a metric label and record header; `str()` is the sentence.
    """

    def __init__(self, reason: str, sentence: str) -> None:
        self.reason = reason
        super().__init__(sentence)


class RestartRequired(IngestError):
    """Restart: this process's state is useless (a stall, a broken producer); a fresh process goes on."""


class Displaced(RestartRequired):
    """End quietly, as another process has this one's place: no crash. The supervisor knows whether a new one is wanted."""

    exit_code = EXIT_OK
