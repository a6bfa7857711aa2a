"""One Kafka broker with a listener for each kind of client: SCRAM, PLAIN, certificates, tokens."""

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from tests.services.authority import Authority, Issued
from tests.services.kafka import KafkaCluster
from tests.services.ports import ReservedPort
from tests.services.token_endpoint import AUDIENCE, ISSUER, TokenEndpoint

USER, PASSWORD = "edge", "sasl-Hush-9"
NAMESPACE: Final = "Endpoint=sb://localhost/;SharedAccessKeyName=edge;SharedAccessKey=a2V5LUh1c2gtOQ=="
"""The connection string that the listener PASSWORDS takes from `$ConnectionString`, as Event Hubs does."""
_PROTOCOLS: Final[Mapping[str, str]] = {"PASSWORDS": "SASL_SSL", "CERTIFICATES": "SSL", "TOKENS": "SASL_SSL"}
_MODULE: Final = "org.apache.kafka.common.security"


class SecureKafka(KafkaCluster):
    """Short-lived; makes topics on first use. `at[listener]` is `127.0.0.1:port` of PLAINTEXT, PASSWORDS (SCRAM, PLAIN),
    CERTIFICATES, TOKENS."""

    def __init__(self, folder: Path, authority: Authority, server: Issued, tokens: TokenEndpoint) -> None:
        """`server`: the broker's certificate. It takes the certificates of clients from `authority`, and tokens of
        `tokens`."""
        keys = folder / "keys.json"
        tokens.write_keys(keys)
        super().__init__(short_lived=True, jvm=[f"-Dorg.apache.kafka.sasl.oauthbearer.allowed.urls=file://{keys}"])
        self._listeners = {name: ReservedPort() for name in _PROTOCOLS}
        self.at = {name: port.address for name, port in self._listeners.items()} | {"PLAINTEXT": self.bootstrap}
        scram = f"{_MODULE}.scram.ScramLoginModule required;"
        plain = (
            f'{_MODULE}.plain.PlainLoginModule required user_{USER}="{PASSWORD}" user_$ConnectionString="{NAMESPACE}";'
        )
        bearer = f'{_MODULE}.oauthbearer.OAuthBearerLoginModule required unsecuredLoginStringClaim_sub="broker";'
        self._settings = {
            "inter.broker.listener.name": "PLAINTEXT",
            "ssl.keystore.type": "PEM",
            "ssl.keystore.location": str(server.both),
            "ssl.truststore.type": "PEM",
            "ssl.truststore.location": str(authority.ca_file),
            "listener.name.certificates.ssl.client.auth": "required",
            "listener.name.passwords.sasl.enabled.mechanisms": "SCRAM-SHA-512,SCRAM-SHA-256,PLAIN",
            "listener.name.passwords.scram-sha-512.sasl.jaas.config": scram,
            "listener.name.passwords.scram-sha-256.sasl.jaas.config": scram,
            "listener.name.passwords.plain.sasl.jaas.config": plain,
            "listener.name.tokens.sasl.enabled.mechanisms": "OAUTHBEARER",
            "listener.name.tokens.oauthbearer.sasl.jaas.config": bearer,
            "listener.name.tokens.oauthbearer.sasl.server.callback.handler.class": (
                f"{_MODULE}.oauthbearer.OAuthBearerValidatorCallbackHandler"
            ),
            "sasl.oauthbearer.jwks.endpoint.url": f"file://{keys}",
            "sasl.oauthbearer.expected.audience": AUDIENCE,
            "sasl.oauthbearer.expected.issuer": ISSUER,
        }

    def start(self) -> None:
        """As of `KafkaCluster`; also makes the user of SCRAM."""
        super().start()
        self._make_user()

    def join(self, seconds: float = 30) -> None:
        super().join(seconds)
        for port in self._listeners.values():
            port.close()

    def _properties(self, node: int, data: Path) -> dict[str, str]:
        properties = super()._properties(node, data)
        more = "".join(f",{name}://{port.address}" for name, port in self._listeners.items())
        properties["listeners"] += more
        properties["advertised.listeners"] += more
        properties["listener.security.protocol.map"] += "".join(f",{name}:{kind}" for name, kind in _PROTOCOLS.items())
        return properties

    def _make_user(self) -> None:
        from confluent_kafka.admin import (  # type: ignore[attr-defined]  # documented, but missing from __all__
            AdminClient,
            ScramCredentialInfo,
            ScramMechanism,
            UserScramCredentialUpsertion,
        )

        admin = AdminClient({"bootstrap.servers": self.bootstrap, "log_level": 0})
        for mechanism in (ScramMechanism.SCRAM_SHA_512, ScramMechanism.SCRAM_SHA_256):
            info = ScramCredentialInfo(mechanism, 4096)
            made = UserScramCredentialUpsertion(USER, info, PASSWORD.encode())
            admin.alter_user_scram_credentials([made])[USER].result(30)
