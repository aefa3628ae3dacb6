"""What `streamer doctor` looks at, one module for each thing that a node stands on."""
