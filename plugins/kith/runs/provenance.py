"""What a run was made with: the company's files as they were, and the code's version.

It is kept in the run's folder, so that the run can be made again when both have moved
on.
"""

import datetime as dt
import functools
import io
import os
import subprocess
import zipfile
from collections.abc import Iterator
from pathlib import Path

from pydantic import BaseModel, ValidationError

from kith.company.folder import Company
from kith.errors import ConfigurationError
from kith.runs.run import Run, make_state
from kith.settings import REPOSITORY
from kith.storage import sha256, sha256_of

NOTE, COMPANY = "provenance.json", "company.zip"
# An archive of the same files is the same to the byte.
_NO_TIME = (1980, 1, 1, 0, 0, 0)


class Provenance(BaseModel):
    """Days and company of a run, and the code: its commit, and a hash of its files.

    `git_commit` is None where the code lies in no repository. `code` changes with any
    file that decides what a run does, committed or not.
    """

    run_id: str
    company: str
    company_folder: Path
    from_day: dt.date
    to_day: dt.date
    git_commit: str | None
    code: str


def keep_provenance(run: Run) -> None:
    """Write what the run is made with; called by each stage, since both may change."""
    make_state(run.folder)
    run.run_folder.mkdir(parents=True, exist_ok=True)
    _write(run.run_folder / COMPANY, _packed(run.company))
    note = Provenance(
        run_id=run.run_id,
        company=run.company.name,
        company_folder=run.company.folder,
        from_day=run.interval.from_day,
        to_day=run.interval.to_day,
        git_commit=git_commit(),
        code=code_hash(),
    )
    _write(run.run_folder / NOTE, note.model_dump_json(indent=2).encode())


def provenance_of(run_folder: Path) -> Provenance:
    """What was kept of a run; raises ConfigurationError where nothing was."""
    path = run_folder / NOTE
    try:
        return Provenance.model_validate_json(path.read_text(encoding="utf-8"))
    except (OSError, ValidationError):
        raise ConfigurationError(
            f"{path}: not found, or of another version of Kith; expected what the run "
            "was made with; reproduce a run of this version"
        ) from None


def company_as_of(run_folder: Path, folder: Path) -> None:
    """Lay the company's files as they were in a run into an empty folder."""
    with zipfile.ZipFile(run_folder / COMPANY) as archive:
        archive.extractall(folder)


def git_commit() -> str | None:
    """The commit of the code, without changes that were not committed.

    None where the code is no clone, or where there is no git, as in a container.
    """
    try:
        found = subprocess.run(
            ["git", "-C", str(REPOSITORY), "rev-parse", "HEAD"],
            capture_output=True,
            text=True,
            check=False,
        )
    except FileNotFoundError:
        return None
    return found.stdout.strip() if found.returncode == 0 else None


@functools.cache
def code_hash() -> str:
    """Hash of all files of the code that decide what a run does, as they are now."""
    return sha256_of(
        {str(path.relative_to(REPOSITORY)): sha256(path) for path in _code()}
    )[:16]


def _code() -> Iterator[Path]:
    yield from (path for path in [REPOSITORY / "requirements.lock"] if path.is_file())
    for folder, pattern in (
        ("plugins/kith", "*.py"),
        ("expectations", "*.py"),
        ("dbt_project", "[!.]*"),
    ):
        found = (REPOSITORY / folder).rglob(pattern)
        yield from sorted(path for path in found if path.is_file())


def _packed(company: Company) -> bytes:
    """The company's files that runs read, as an archive; none of its data."""
    folder = company.folder
    files = [folder / "company.yml", folder / "sources.yml"]
    files += sorted((folder / "staging").rglob("[!.]*"))
    files += sorted((folder / "expectations").rglob("*.py"))
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in files:
            if path.is_file():
                name = str(path.relative_to(folder))
                member = zipfile.ZipInfo(name, _NO_TIME)
                member.compress_type = zipfile.ZIP_DEFLATED
                archive.writestr(member, path.read_bytes())
    return packed.getvalue()


def _write(path: Path, content: bytes) -> None:
    """Replace a file, where it says something else: mapped tasks write the same one."""
    if path.is_file() and path.read_bytes() == content:
        return
    unfinished = path.with_name(f".{path.name}.{os.getpid()}")
    unfinished.write_bytes(content)
    unfinished.replace(path)
