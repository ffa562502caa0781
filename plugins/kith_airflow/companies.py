"""The companies that Airflow shows, each by a DAG file of its own.

Airflow registers no DAG of a file that fails, and shows on its page why it failed. So
that a broken company hides no other, each has a file of a few lines in
`$KITH_HOME/airflow/dags`, which calls those of `dags/`. They are written when Airflow
starts.
"""

import datetime as dt
from collections.abc import Iterable
from pathlib import Path
from zoneinfo import ZoneInfo

from kith.company.folder import Company, load_company
from kith.errors import ConfigurationError
from kith.runs.source_systems import unset_variables
from kith.settings import REPOSITORY, Settings, load_settings

COMPANIES = REPOSITORY / "companies"
_DAG_FILE = '''\
"""The Airflow DAGs of one company; dags/ says what they do."""

from crisis_watch import crisis_watch
from customer_marts import customer_marts

customer_marts({name!r}, {folder!r})
crisis_watch({name!r}, {folder!r})
'''


def dag_id(name: str) -> str:
    """Id of a company's DAG; its file and its asset are called the same."""
    return f"customer_marts__{name}"


def pool(name: str) -> str:
    """The pool of one slot, for who opens the company's warehouse for writing."""
    return f"warehouse__{name}"


def watch_id(name: str) -> str:
    """Id of the DAG that watches a company for crises, where it declares that."""
    return f"crisis_watch__{name}"


def watch_pool(name: str) -> str:
    """The pool of one slot for that DAG, which never waits for the warehouse's."""
    return f"watch__{name}"


def logs_of(name: str) -> tuple[tuple[Path, str], ...]:
    """Folders of logs, each with the pattern of what one run of a company left there.

    The last two are for all companies: what Airflow logs of DAG files, by day, and logs
    of former versions.
    """
    logs = load_settings().home / "airflow" / "logs"
    return (
        (logs / f"dag_id={dag_id(name)}", "run_id=*"),
        (logs / f"dag_id={watch_id(name)}", "run_id=*"),
        (logs, f"run_{name}-*.log"),
        (logs / "dag_processor", "[0-9]*-[0-9]*-[0-9]*"),
        (logs, "run_[0-9]*.log"),
    )


def known_companies(settings: Settings) -> dict[str, Path]:
    """Folders of the companies that Airflow shows, by their names.

    Those that KITH_COMPANIES names; by default those under companies/, and that of
    KITH_COMPANY, without those whose paths name environment variables that are not set.
    A broken one is among them, so that Airflow shows what is wrong with it.
    """
    if settings.companies:
        return by_name(settings.companies)
    folders = [path.parent for path in sorted(COMPANIES.glob("*/company.yml"))]
    if settings.company not in folders:
        folders.append(settings.company)
    return by_name(folder for folder in folders if not _lacks_variables(folder))


def _lacks_variables(folder: Path) -> bool:
    try:
        return bool(unset_variables(load_company(folder)))
    except ConfigurationError:
        return False


def by_name(folders: Iterable[Path]) -> dict[str, Path]:
    """Company folders by their company's name, or the folder's where that is broken.

    Raises ConfigurationError when two of them have one name and one folder name.
    """
    named: dict[str, Path] = {}
    for folder in folders:
        try:
            name = load_company(folder).name
        except ConfigurationError:
            name = folder.name
        if name in named:
            name = folder.name  # The DAG file says that the company's name is taken.
        if name in named:
            raise ConfigurationError(
                f"{folder / 'company.yml'}: name: {name} is the name of "
                f"{named[name]} as well; give each company a name of its own, or "
                "choose with KITH_COMPANIES"
            )
        named[name] = folder
    return named


def runnable_company(name: str, folder: str) -> Company:
    """The company that Airflow knows by this name.

    Raises ConfigurationError with file, key and value of what keeps it from running.
    """
    company = load_company(Path(folder))
    if company.name != name:
        raise ConfigurationError(
            f"{folder}/company.yml: name: {company.name} is not {name}, by which "
            "Airflow knows this folder: another company has that name, or it was "
            "renamed; give it a name of its own and start Airflow anew"
        )
    if unset := unset_variables(company):
        raise ConfigurationError(
            f"{folder}/sources.yml: a path names ${{{unset[0]}}}, but the "
            f"environment variable {unset[0]} is not set; set it where Kith runs"
        )
    return company


def begin(company: Company) -> dt.datetime:
    """The first instant of a company's first business day, in its zone."""
    zone = ZoneInfo(company.time_zone)
    return dt.datetime.combine(company.first_day, dt.time(), zone)


def write_dag_files(folder: Path, companies: dict[str, Path]) -> None:
    """Write a DAG file for each company, and remove those of others."""
    folder.mkdir(exist_ok=True)
    texts = {
        folder / f"{dag_id(name)}.py": _DAG_FILE.format(name=name, folder=str(place))
        for name, place in companies.items()
    }
    for stale in set(folder.glob(f"{dag_id('*')}.py")) - set(texts):
        stale.unlink()
    for path, text in texts.items():
        if not path.is_file() or path.read_text() != text:
            path.write_text(text)
