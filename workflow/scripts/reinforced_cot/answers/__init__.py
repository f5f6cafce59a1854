"""When an answer is right, by the kind of the true one: rewards and metrics ask the same functions; no torch."""
