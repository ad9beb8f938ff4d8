"""The version of this package; sql/functions/common/installed_version.sql has the version of a schema."""

__version__ = "0.1.0.dev0"
