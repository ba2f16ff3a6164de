"""A task is routed: what is loaded (`inuse`), what is drawn and why (`choosing`), the `decision`, its log (`online`)."""
