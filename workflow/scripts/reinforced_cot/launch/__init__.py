"""Starting a stage on its devices: topologies, GPUs, processes, vLLM's server; no torch."""
