"""`python -m deploy` is `citysoc`."""

from deploy.command import main

main()
