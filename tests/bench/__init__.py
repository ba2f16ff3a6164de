"""The benchmark: every figure beside a peer or a limit of the same run (`make bench`)."""
