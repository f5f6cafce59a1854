"""When an answer is the true one: words, options, and the rules of matching; no torch."""
