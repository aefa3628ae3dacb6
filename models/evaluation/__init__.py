"""How good a checkpoint is: figures on labelled documents."""
