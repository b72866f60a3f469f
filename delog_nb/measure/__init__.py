"""What a run costs and what its network has learned: flows, memory, parameters, probes."""
