"""What reads the notes: the checkpoint's files, the heads asked for, the precision, the device."""

from __future__ import annotations

from models import acceptance
from models.checkpoint import Checkpoint
from models.errors import CheckpointError
from streamer import checkpoints
from streamer.checkups.finding import Finding, bad, good, of_error
from streamer.settings import Settings


def look(settings: Settings) -> tuple[list[Finding], Checkpoint | None]:
    """Every file is read, as at a start; the checkpoint too, where it can be used."""
    try:
        checkpoint = checkpoints.opened(settings)
        checkpoints.finish(settings, checkpoint)
        if settings.precision in acceptance.NEEDS_ACCEPTANCE:
            acceptance.require(checkpoint, settings.precision, settings.accept_loss)
    except CheckpointError as error:
        return [of_error("checkpoint", error)], None
    heads = ", ".join(sorted({str(head["name"]) for head in checkpoint.heads}))
    checked = "every file has its SHA-256" if checkpoint.layout == "streamer" else "a base of Hugging Face's"
    return [
        good("checkpoint", f"{checkpoint.name} {checkpoint.version} ({checkpoint.fingerprint}), {checked}"),
        good("checkpoint", f"reads with the heads {heads}"),
        _device(settings),
    ], checkpoint


def _device(settings: Settings) -> Finding:
    import torch  # slow to import, and needed only here

    if settings.device == "cpu" or (settings.device == "auto" and not torch.cuda.is_available()):
        kind = torch.backends.cpu.get_cpu_capability()
        return good("device", f"cpu ({kind}), {torch.get_num_threads()} threads")
    if not torch.cuda.is_available():
        why = (
            "set STREAMER_DEVICE=auto, or let the container have the card (nvidia-smi shows those there are)"
        )
        return bad("device", "STREAMER_DEVICE=cuda, and there is none", why)
    free, whole = torch.cuda.mem_get_info()
    name = torch.cuda.get_device_name()
    return good("device", f"{name}, {free / 2**30:.0f} of {whole / 2**30:.0f} GB free")
