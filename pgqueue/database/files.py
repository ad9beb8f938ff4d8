"""Where the files are that stand beside the package in a checkout."""

from pathlib import Path


def resource(name: str) -> Path:
    """The directory `sql` or `migrations`: inside the package if it is installed, beside it in a checkout."""
    package = Path(__file__).parents[1]
    inside = package / name
    return inside if inside.is_dir() else package.parent / name
