"""A schema registry with Confluent's HTTP interface: the id of a schema, and the schema of an id.

Nothing here runs per record: an id is asked for at the start.
"""

import json
import ssl
from types import TracebackType
from typing import Any, Final, Self
from urllib.parse import quote

import urllib3
from urllib3 import exceptions

from ingest.config import SchemaRegistry
from ingest.errors import IngestError, Refused, Unreachable
from ingest.kafka.schema_references import inlined
from ingest.printable import printable

CONNECT_SECONDS: Final = 4.0
ANSWER_SECONDS: Final = 5.0
MOST_REFERENCES: Final = 100
_MEDIA: Final = "application/vnd.schemaregistry.v1+json"
_ANY_MEDIA: Final = f"{_MEDIA}, application/json"
_LARGEST_BYTES: Final = 4 << 20
_LONGEST_WORDS: Final = 300
_UNKNOWN: Final = range(40400, 40500)
"""Error codes for an unknown subject, version or schema; without one, the address itself is unknown."""


class Registry:
    """The registry of a configuration; as a context manager it closes its connections. Its methods raise Refused if it
    refuses, and Unreachable if it does not answer or is busy."""

    def __init__(self, config: SchemaRegistry) -> None:
        """Raises Refused if a certificate cannot be read."""
        self._config = config
        self._url = config.url.rstrip("/")
        context = ssl.create_default_context()
        if config.ca_file is not None:
            try:
                context.load_verify_locations(config.ca_file)
            except OSError as error:  # among them ssl.SSLError
                raise Refused(
                    f"kafka.schema_registry.ca_file {config.ca_file} holds no certificate in PEM ({error}): correct it"
                ) from None
        self._headers = {"Accept": _ANY_MEDIA, "Content-Type": _MEDIA}
        if config.user:
            login = f"{config.user}:{config.password.reveal()}"
            self._headers |= urllib3.make_headers(basic_auth=login)
        timeout = urllib3.Timeout(connect=CONNECT_SECONDS, read=ANSWER_SECONDS)
        self._pool = urllib3.PoolManager(2, ssl_context=context, timeout=timeout, retries=False)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._pool.clear()

    def id_of(self, subject: str, schema: str) -> int:
        """Returns the id of the schema under this subject; registers it first if it is not there and the configuration
        allows that. `schema`: in JSON."""
        found = self.find(subject, schema)
        if found is not None:
            return found
        if not self._config.auto_register:
            raise Refused(
                f"the schema registry at {self._url} does not have the schema of the records under the subject {subject}: "
                "register it, or write auto_register = true into [kafka.schema_registry]"
            )
        return self._number(self._asked("POST", f"/subjects/{quote(subject, safe='')}/versions", {"schema": schema}))

    def schema_of(self, schema_id: int) -> str:
        """Returns the schema with this id, in JSON, with the types of other subjects that it refers to. Raises Refused if
        the registry does not know it, or one of those."""
        schema, references = self._schema(self._asked("GET", f"/schemas/ids/{schema_id}"))
        definitions: dict[str, str] = {}
        while references:
            name, path = references.pop()
            if name in definitions:
                continue
            if len(definitions) == MOST_REFERENCES:
                raise Unknown(f"schema {schema_id} refers to more than {MOST_REFERENCES} others")
            definitions[name], more = self._schema(self._asked("GET", path))
            references += more
        return inlined(schema, definitions) if definitions else schema

    def _schema(self, answer: Any) -> tuple[str, list[tuple[str, str]]]:
        """Returns the schema of an answer, and of each that it refers to the name and the path."""
        schema = answer.get("schema") if isinstance(answer, dict) else None
        if not isinstance(schema, str):
            raise self._strange()
        references = []
        for each in answer.get("references") or ():
            match each:
                case {"name": str(name), "subject": str(subject), "version": int(version)}:
                    references.append((name, f"/subjects/{quote(subject, safe='')}/versions/{version}"))
                case _:
                    raise self._strange()
        return schema, references

    def find(self, subject: str, schema: str) -> int | None:
        """Returns the id of the schema under this subject; None if it is not there.

        Compares what schemas mean: the registry itself would compare the text, including white space.
        """
        path = f"/subjects/{quote(subject, safe='')}/versions"
        wanted = parsed(schema)
        try:
            versions = self._asked("GET", path)
        except Unknown:
            return None
        if not isinstance(versions, list):
            raise self._strange()
        for version in reversed(versions):
            try:
                answer = self._asked("GET", f"{path}/{version}")
            except Unknown:  # deleted meanwhile
                continue
            if isinstance(answer, dict) and parsed(answer.get("schema")) == wanted:
                return self._number(answer)
        return None

    def _number(self, answer: Any) -> int:
        found = answer.get("id") if isinstance(answer, dict) else None
        if type(found) is not int or not 0 <= found < 1 << 31:
            raise self._strange()
        return found

    def _asked(self, method: str, path: str, body: dict[str, str] | None = None) -> Any:
        if not self._url:
            raise Refused(
                'kafka.schema_registry.url is empty: write where the registry is, such as "https://registry:8081"'
            )
        try:
            answer = self._pool.request(
                method, self._url + path, json=body, headers=self._headers, preload_content=False
            )
            try:
                content = answer.read(_LARGEST_BYTES)
            finally:
                answer.release_conn()
        except exceptions.SSLError as error:
            raise self._untrusted(error) from None
        except (exceptions.HTTPError, OSError) as error:
            raise Unreachable(
                f"the schema registry at {self._url} does not answer ({_why(error)}): see that it runs, that "
                "kafka.schema_registry.url is right, and whether a firewall is between"
            ) from None
        try:
            told = json.loads(content)
        except (ValueError, RecursionError):
            told = None
        if answer.status == 200 and told is not None:
            return told
        raise self._refusal(answer.status, told)

    def _refusal(self, status: int, told: Any) -> IngestError:
        code = told.get("error_code") if isinstance(told, dict) else None
        words = _words(str(told.get("message", ""))) if isinstance(told, dict) else ""
        said = f"{status}, {words}" if words else f"{status}"
        where = f"the schema registry at {self._url}"
        if status == 401:
            return Refused(
                f"{where} does not let {f'user {self._config.user}' if self._config.user else 'strangers'} in ({said}): "
                "correct user and password in [kafka.schema_registry]"
            )
        if status == 403:
            return Refused(
                f"{where} does not allow this to user {self._config.user or 'nobody'} ({said}): allow it there"
            )
        if status == 404 and code in _UNKNOWN:
            return Unknown(f"{where} does not know it ({said})")
        if status == 409:
            return Refused(
                f"{where} has another schema under the subject, with which ours is not compatible ({said}): choose another "
                "source.topic, or set the subject's compatibility to NONE"
            )
        if status in (408, 429) or status >= 500:
            return Unreachable(f"{where} is busy or broken ({said}): see its log")
        if status == 422:
            return Refused(f"{where} does not take the schema ({said})")
        return self._strange(said)

    def _strange(self, said: str = "") -> Refused:
        told = f" ({said})" if said else ""
        return Refused(
            f"what answers at {self._url} is no schema registry of Confluent's kind{told}: correct "
            "kafka.schema_registry.url, which can need a path, such as /apis/ccompat/v7 for Apicurio's"
        )

    def _untrusted(self, error: Exception) -> Refused:
        return Refused(
            f"there is no TLS with the schema registry at {self._url} ({_why(error)}): write the authority that signed "
            "its certificate into kafka.schema_registry.ca_file, or correct the url"
        )


class Unknown(Refused):
    """The subject, version or id does not exist."""


def parsed(schema: object) -> object:
    """Returns a form that is equal for schemas that mean the same; None for what is not a schema."""
    if not isinstance(schema, str):
        return None
    try:
        return _plain(json.loads(schema))
    except (ValueError, RecursionError):
        return None


def _plain(schema: Any) -> Any:
    match schema:
        case {"type": kind, **others} if not others:
            return _plain(kind)
        case dict():
            return {name: _plain(value) for name, value in schema.items()}
        case list():
            return [_plain(value) for value in schema]
    return schema


def _why(error: BaseException | None) -> str:
    """Returns the system's words for what the client raised."""
    cause = error
    while cause is not None:
        if isinstance(cause, OSError) and cause.strerror:
            return _words(cause.strerror)
        cause = cause.__cause__ or cause.__context__
    return "no answer in time" if isinstance(error, exceptions.TimeoutError) else _words(str(error))


def _words(text: str) -> str:
    """Returns the text in one line without colons: in our sentences, the fix follows a colon."""
    return printable(" ".join(text.split()).replace(": ", ", "))[:_LONGEST_WORDS]
