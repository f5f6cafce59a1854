"""What a person reads in the terminal: a run's progress, its failures, its state and its scores."""
