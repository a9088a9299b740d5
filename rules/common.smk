"""The checked settings of the study, and the functions that rules take their settings from."""

import os

import yaml
from snakemake.exceptions import WorkflowError

from hanas.study import combined_proxies
from hanas.core import files, hardware, plugins
from hanas.study import study, study_checks
from hanas.core.errors import InputError
from hanas.core.revisions import REVISIONS


# Names only: what exists is checked in input functions, which can say what the names are.
wildcard_constraints:
    dataset="[A-Za-z0-9_]+",
    device="[A-Za-z0-9_]+",
    proxy="[A-Za-z0-9_]+",
    retraining="[A-Za-z0-9_]+",
    search="[A-Za-z0-9_]+",
    space="[A-Za-z0-9_]+",
    supernet="[A-Za-z0-9_]+",
    task="[A-Za-z0-9_]+",


STUDY_NAME = ", ".join(str(file) for file in workflow.configfiles) or "config"


def read_study():
    schema = yaml.safe_load(
        (REPOSITORY / "config.schema.yaml").read_text(encoding="utf-8")
    )
    try:
        for file in workflow.configfiles:
            if workflow.is_main_process and Path(file).is_file():
                study.check_keys(file)
        return study.complete(config, schema, name=STUDY_NAME)
    except InputError as error:
        raise WorkflowError(str(error)) from None


# The chapters of the report (snakemake --report), in the order it is read.
CHAPTERS = {
    "found": "1 What was found",
    "take": "2 What to take",
    "fronts": "3 The fronts",
    "quality": "4 How good that is",
    "provenance": "5 Where it comes from",
}


def captioned(name):
    """Return the path of the text that stands beside a result in the report."""
    return str(REPOSITORY / "resources" / "captions" / f"{name}.rst")


def shipped(*names):
    """Return a file of `resources/` as an input: it comes with the code, also to other machines."""
    return local(str(REPOSITORY.joinpath("resources", *names)))


STUDY = read_study()
DATA = Path(os.environ.get("HANAS_DATA") or STUDY["data_folder"])


def data_file(name):
    """Return the path of one of the user's files: relative ones lie in the data folder."""
    return str(DATA / Path(name).expanduser())


# Checked here and not in input functions, because Snakemake would take a table that was made before for up
# to date although the file it is now to be made from does not exist. Jobs on other machines need not see files
# that they do not read.
for key, name in study.data_files(STUDY) if workflow.is_main_process else ():
    if not Path(data_file(name)).exists():
        raise WorkflowError(
            f"{STUDY_NAME}: {key}: {data_file(name)} does not exist; put it there, or point HANAS_DATA or "
            "data_folder to the folder that holds it"
        )


def entry(section, *names):
    """Return the settings of one entry; a name that does not exist is an error that lists all."""
    found = STUDY[section]
    for depth, name in enumerate(names):
        if name not in found:
            place = ".".join((section, *names[:depth]))
            known = ", ".join(found) or "(none)"
            raise WorkflowError(f"{place} has no {name!r}; it has: {known}")
        found = found[name]
    return found


def settings(stage, section, *names, without=()):
    """Return an entry's settings with the stage's revision: the one parameter of a rule.

    `without` names settings that do not change the result, so that they cause no rerun.
    """
    kept = {
        key: value
        for key, value in entry(section, *names).items()
        if key not in without
    }
    return {"revision": REVISIONS[stage], **kept}


def proxy_label(name):
    """Return the name of a proxy in tables and figures."""
    proxy = entry("proxies", name)
    return proxy.get("label", proxy.get("supernet", proxy["kind"]))


def search_label(name):
    """Return the name of a search in tables and figures."""
    search = entry("searches", name)
    return search.get("label", search["searcher"].upper())


def trained_on(proxy):
    """Return the data sets that a proxy, or what it is made of, is bound to; often one or none."""
    return ", ".join(sorted(bound_to(proxy)))


def bound_to(proxy):
    """Return the set of those data sets."""
    names = {own_dataset(proxy), entry("proxies", proxy).get("learns_from")} - {None}
    return names.union(*map(bound_to, combined_proxies.members(STUDY, proxy)))


def gpus(device):
    """Return how many GPUs a job takes that may run on `device`: auto, cpu or cuda.

    What `auto` means is decided by the machine that runs the workflow. A job that a cluster has
    started already must not ask for what its node has beside what it was given.
    """
    if device == "auto":
        return int(workflow.is_main_process and hardware.has_nvidia_gpu())
    return int(device == "cuda")
