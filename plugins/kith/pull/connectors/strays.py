"""Files that programs and systems leave beside those of a delivery."""

from fnmatch import fnmatchcase

# Of Windows, of the Finder, and what Spark writes when it is done.
_NAMES = {"thumbs.db", "ehthumbs.db", "desktop.ini", "icon\r", "_success"}
_FOLDERS = {"__MACOSX"}
# Lies beside a workbook that somebody has open.
_LOCK = "~$"


def is_stray(name: str, pattern: str = "") -> bool:
    """Whether a path is that of such a file: hidden, a lock, or of a known name.

    What is hidden is a delivery where its part of `pattern` begins with a point too.
    """
    *folders, file = name.split("/")
    if file.lower() in _NAMES or file.startswith(_LOCK) or _FOLDERS & {*folders}:
        return True
    *above, last = pattern.split("/")
    return _is_hidden(file, [last]) or any(_is_hidden(each, above) for each in folders)


def _is_hidden(part: str, named: list[str]) -> bool:
    return (
        part.startswith(".")
        and part not in (".", "..")
        and not any(each.startswith(".") and fnmatchcase(part, each) for each in named)
    )
