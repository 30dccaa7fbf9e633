"""The command line, if its libraries are installed."""

import sys


def main() -> None:
    """Run `crmcore`."""
    try:
        from crmcore.cli import app
    except ImportError as error:
        if error.name not in {"typer", "rich", "click"}:
            raise
        sys.exit("The command line needs more libraries: pip install 'crmcore[cli]'")
    app(prog_name="crmcore")


if __name__ == "__main__":
    main()
