"""What `learnlab lab` gives every kernel before its first cell: the package, as `ll`, and charts that draw offline."""

import learnlab as ll  # noqa: F401
