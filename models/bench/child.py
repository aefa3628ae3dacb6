"""What runs in a variant's own process: it loads one peer's file, and does as it is told over two pipes.

Standard library only, and it loads the peer by its path: it also runs in a foreign environment, which has
that peer but not us. One JSON object a line: `{"call": name, "with": {…}}` in, `{"gave": …}` or
`{"failed": one line}` out; the end of the pipe ends the process.
"""

from __future__ import annotations

import importlib.util
import json
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Any


@dataclass(frozen=True)
class Item:
    """A text, and its tokens with [CLS] and [SEP]."""

    text: str
    tokens: int


@dataclass(frozen=True)
class Work:
    """What a peer is started with. `checkpoint`: ours; `huggingface`: the same trunk as others read it.

    `options`: the variant's own; `cache`: a folder that stays from run to run.
    """

    checkpoint: str
    huggingface: str
    cache: str
    device: str
    cores: int
    items: tuple[Item, ...]
    options: dict[str, Any]

    def some(self, first: int, count: int) -> list[Item]:
        """`count` items from `first` on, from the beginning again after the last."""
        return [self.items[(first + i) % len(self.items)] for i in range(count)]


def write_work(path: Path, work: Work) -> None:
    """All but the options, which are each peer's own."""
    fields = asdict(work)
    del fields["options"]
    path.write_text(json.dumps(fields))


def read_work(path: Path, options: dict[str, Any]) -> Work:
    """From the JSON file that the parent wrote."""
    fields = json.loads(path.read_text())
    items = tuple(Item(**item) for item in fields.pop("items"))
    return Work(**fields, items=items, options=options)


def serve(peer: Any, work: Work, commands: IO[str], answers: IO[str]) -> None:
    """Call the peer's methods until there are no more commands; what they raise is an answer too."""
    for line in commands:
        command = json.loads(line)
        answer: dict[str, Any]
        try:
            name, arguments = command["call"], command["with"]
            method: Callable[..., Any] = getattr(peer, name)
            answer = {"gave": method(work) if name == "start" else method(**arguments)}
        except Exception as error:  # whatever a foreign library raises
            answer = {"failed": f"{type(error).__name__}: {error}".splitlines()[0][:300]}
        answers.write(json.dumps(answer) + "\n")
        answers.flush()
    peer.stop()


def load_peer(path: Path) -> Any:
    """`PEER` of a peer's file."""
    spec = importlib.util.spec_from_file_location(f"peer_{path.stem}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module.PEER()


def main() -> None:
    """Arguments: the peer's file, the work's file, its options as JSON, the pipes to read and to write."""
    peer, work, options, reading, writing = sys.argv[1:]
    with open(int(reading)) as commands, open(int(writing), "w") as answers:
        serve(load_peer(Path(peer)), read_work(Path(work), json.loads(options)), commands, answers)


if __name__ == "__main__":
    main()
