"""The door for files: a mapping turns rows into commands; what does not fit is named."""

from crmcore.intake.mapping import InvalidFile, Mapping, load_mapping, ready_mappings
from crmcore.intake.plan import RowError
from crmcore.intake.run import Report, import_files

__all__ = [
    "InvalidFile",
    "Mapping",
    "Report",
    "RowError",
    "import_files",
    "load_mapping",
    "ready_mappings",
]
