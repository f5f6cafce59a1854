"""SFT and GRPO with TRL's trainers."""
