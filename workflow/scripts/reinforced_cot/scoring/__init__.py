"""What is right: matching answers, judging chains, rewards, hack probes; no torch."""
