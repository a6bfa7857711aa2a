from hypothesis import given
from hypothesis import strategies as st

from ingest.amqp.message import Data, Message, Properties
from ingest.sink.commands.command import Command, Origin
from ingest.sink.sending.message import encoded

texts = st.text(st.characters(codec="utf-8"), max_size=5) | st.just("long" * 100)
symbols = st.text(st.characters(codec="ascii"), max_size=5)
commands = st.builds(
    Command,
    device_id=symbols.filter(bool),
    body=st.binary(max_size=5) | st.just(b"x" * 1_000),
    message_id=texts,
    correlation_id=st.none() | texts,
    content_type=st.none() | symbols,
    content_encoding=st.none() | symbols,
    ack=st.sampled_from(("none", "positive", "negative", "full")),
    expiry_ms=st.none() | st.integers(0, 2**53),
    properties=st.dictionaries(texts, texts, max_size=3),
    origin=st.just(Origin("iotout", 0, 0)),
)


@given(commands)
def test_it_is_the_message_of_amqp_with_everything_of_the_command(command: Command) -> None:
    application = dict(command.properties) | ({} if command.ack == "none" else {"iothub-ack": command.ack})
    assert encoded(command) == (
        Message(
            properties=Properties(
                message_id=command.message_id,
                to=command.to,
                correlation_id=command.correlation_id,
                content_type=command.content_type,
                content_encoding=command.content_encoding,
                absolute_expiry_time=command.expiry_ms,
            ),
            application_properties=application or None,
            body=Data((command.body,)),
        ).encode()
    )
