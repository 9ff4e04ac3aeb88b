"""`python -m kea_sdk.cli` is `kea`."""

from kea_sdk.cli.main import main

if __name__ == "__main__":
    main()
