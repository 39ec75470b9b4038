"""``python -m vrm``: the command line."""

from vrm.cli.main import main

main()
