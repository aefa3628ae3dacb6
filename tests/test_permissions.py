"""What the service's user needs on the brokers: one list, which the shipped document shows."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

from streamer import permissions, settings
from streamer.permissions import Permission

SHIPPED = Path(__file__).parents[1] / "monitoring" / "acl.md"


def shipped_lines() -> list[Permission]:
    """The lines that the document's commands grant."""
    commands = re.findall(r"^kafka-acls\.sh (.*)$", SHIPPED.read_text().replace("\\\n", " "), re.MULTILINE)
    found = []
    for words in map(shlex.split, commands):
        options = dict(zip(words, [*words[1:], ""], strict=True))
        kind = next(kind for kind in ("topic", "group", "transactional-id") if f"--{kind}" in options)
        prefixed = options.get("--resource-pattern-type") == "prefixed"
        found.append(Permission(options["--operation"], kind, options[f"--{kind}"], prefixed))  # type: ignore[arg-type]
    return found


def test_the_shipped_list_is_what_the_default_settings_need() -> None:
    assert shipped_lines() == list(permissions.needed(settings.load()))


def test_vectors_need_one_line_more_and_no_transactions_one_less() -> None:
    usual = permissions.needed(settings.load())
    vectors = permissions.needed(settings.load(embedding_topic="vectors"))
    assert set(vectors) - set(usual) == {Permission("Write", "topic", "vectors")}
    at_least_once = permissions.needed(settings.load(delivery="at_least_once"))
    assert {line.kind for line in set(usual) - set(at_least_once)} == {"transactional-id"}


def test_a_line_is_granted_by_one_command_to_whom_the_brokers_take_us_for(tmp_path: Path) -> None:
    from streamer.embedded.certificates import Authority

    secured = {"security_protocol": "SASL_SSL", "sasl_username": "annotator", "sasl_password": "open-sesame"}
    *_, last = permissions.needed(settings.load())
    said = permissions.command(last, settings.load(bootstrap="k:9093", **secured))
    assert said == (
        "kafka-acls.sh --bootstrap-server k:9093 --command-config admin.properties --add "
        "--allow-principal 'User:annotator' --operation Write "
        "--transactional-id streamer-clinical-notes- --resource-pattern-type prefixed"
    )
    own = Authority(tmp_path).issue("annotator")
    by_certificate = settings.load(security_protocol="SSL", ssl_certfile=own.file, ssl_keyfile=own.key)
    assert permissions.principal(by_certificate) == "User:CN=annotator"
