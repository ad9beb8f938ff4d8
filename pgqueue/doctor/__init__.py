"""What is wrong with an install, why it matters and what mends it. It never changes anything."""

from ..database.calls.doctor import Finding, Severity
from .examine import Examination, examine

__all__ = ["Examination", "Finding", "Severity", "examine"]
