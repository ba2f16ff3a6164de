"""What another policy would have achieved and cost, from the log of one whose chances of choosing are known."""
