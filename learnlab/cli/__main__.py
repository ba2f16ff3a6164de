"""`python -m learnlab.cli`: the command line without its script."""

from learnlab.cli.group import main

main()
