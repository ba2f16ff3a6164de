"""What `learnlab lab` gives every kernel before its first cell: the package, as `ll`."""

import learnlab as ll  # noqa: F401
