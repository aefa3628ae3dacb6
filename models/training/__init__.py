"""From annotated corpora to a checkpoint."""
