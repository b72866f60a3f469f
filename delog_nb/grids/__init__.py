"""Many runs: grids of experiments, how long they take, and the workers that make them."""
