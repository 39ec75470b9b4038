"""``python -m vrm``: the command line."""

from vrm.cli.supervisor import main

main()
