"""Further addresses of an embedded broker, with TLS: users with passwords, users with certificates, and ACLs.

The plaintext loopback address stays beside them, for whoever started the cluster: with `acls`, everybody who
comes that way may do everything, and the others what they were granted.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from streamer.embedded.certificates import Certificate
from streamer.errors import WorldError

logging.getLogger("kafka").addHandler(logging.NullHandler())  # not to standard error: we say what is wrong


@dataclass(frozen=True)
class Listener:
    """An address with TLS. `name`: capital letters. `passwords`: users say who they are by SCRAM-SHA-512;
    else by a certificate of theirs, whose common name is the user's."""

    name: str
    certificate: Certificate
    passwords: bool = True

    @property
    def protocol(self) -> str:
        return "SASL_SSL" if self.passwords else "SSL"

    def properties(self, trusted: Path) -> dict[str, str]:
        """Broker properties of this listener alone; it trusts clients' certificates that `trusted` signed."""
        own = {
            "ssl.keystore.type": "PEM",
            "ssl.keystore.location": str(self.certificate.store),
            "ssl.truststore.type": "PEM",
            "ssl.truststore.location": str(trusted),
            "ssl.client.auth": "none" if self.passwords else "required",
        }
        if self.passwords:
            own |= {
                "sasl.enabled.mechanisms": "SCRAM-SHA-512",
                "scram-sha-512.sasl.jaas.config": (
                    "org.apache.kafka.common.security.scram.ScramLoginModule required;"
                ),
            }
        else:
            own["ssl.principal.mapping.rules"] = "RULE:^CN=([^,]+).*$/$1/"
        return {f"listener.name.{self.name.lower()}.{name}": value for name, value in own.items()}


@dataclass(frozen=True)
class Security:
    """`listeners` trust what `trusted` signed; `users` are names with their passwords."""

    trusted: Path
    listeners: tuple[Listener, ...]
    users: Mapping[str, str] = field(default_factory=dict, repr=False)
    acls: bool = False

    def properties(self) -> dict[str, str]:
        """Broker properties, those that list listeners apart."""
        found = {
            name: value for one in self.listeners for name, value in one.properties(self.trusted).items()
        }
        if self.acls:
            found |= {
                "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
                "super.users": "User:ANONYMOUS",  # of the plaintext loopback listeners, the controller's too
            }
        return found

    def introduce(self, bootstrap: str) -> None:
        """Tell the brokers the users' passwords, salted. Raises WorldError."""
        if not self.users:
            return
        from kafka import errors  # needed only here, and slow to import
        from kafka.admin import KafkaAdminClient, ScramMechanism, UserScramCredentialUpsertion

        wanted = [
            UserScramCredentialUpsertion(user, ScramMechanism.SCRAM_SHA_512, password, iterations=4096)
            for user, password in self.users.items()
        ]
        try:
            admin = KafkaAdminClient(bootstrap_servers=bootstrap)
            try:
                refused = {
                    user: why for user, why in admin.alter_user_scram_credentials(wanted).items() if why
                }
            finally:
                admin.close()
        except errors.KafkaError as error:
            raise WorldError(f"the embedded Kafka took no users: {type(error).__name__}") from None
        if refused:
            raise WorldError(f"the embedded Kafka refused users: {', '.join(sorted(refused))}")
