"""How fast a checkpoint is read, by us and by others, on the same texts in the same run.

    mixture → items, shapes → folders, child processes (child.py, process.py) → peers/
    rounds (interleaved) → curves → report → plots

Every variant has a process of its own, so that threads, allocators and crashes do not mix; it sleeps on a
pipe while another one is measured.
"""
