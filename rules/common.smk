"""The study, its graph of jobs, and the few functions that wire a job of the graph into a rule."""

import os

from snakemake.exceptions import WorkflowError

from hanas.core import hardware, plugins
from hanas.core.errors import InputError
from hanas.study import settings as studies
from hanas.study.graph import Graph
from hanas.study.results import is_result


# Names only: what exists is checked by the graph, which can say what the names are.
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
if config.get("plugin_folder") and plugins.FOLDER_VARIABLE not in os.environ:
    # Inherited by the jobs of this machine; those of others read the study themselves.
    os.environ[plugins.FOLDER_VARIABLE] = os.path.abspath(config["plugin_folder"])


def read_graph():
    try:
        study = studies.read(config, name=STUDY_NAME)
    except InputError as error:
        raise WorkflowError(str(error)) from None
    return Graph(study, Path(os.environ.get("HANAS_DATA") or study.data_folder))


graph = read_graph()

# Checked here and not in input functions, because Snakemake would take a table that was made before for up
# to date although the file it is now to be made from does not exist. Jobs on other machines need not see files
# that they do not read.
for key, name in studies.user_files(graph.study) if workflow.is_main_process else ():
    if not Path(graph.user_file(name)).exists():
        raise WorkflowError(
            f"{STUDY_NAME}: {key}: {graph.user_file(name)} does not exist; put it there, or point HANAS_DATA "
            "or data_folder to the folder that holds it"
        )


JOBS = {}


def job_of(method, wildcards):
    """Return the job of a rule with these wildcards."""
    key = (method.__name__, *wildcards.items())
    try:
        if key not in JOBS:  # Snakemake asks for each several times
            JOBS[key] = method(**wildcards)
        return JOBS[key]
    except InputError as error:
        raise WorkflowError(f"{STUDY_NAME}: {error}") from None


def inputs(method):
    """Return the input function of a rule whose job is a method of the graph."""

    def files(wildcards):
        # What is no result comes from outside: with the code, or from the user.
        of_job = job_of(method, wildcards).inputs
        return {
            role: file if is_result(file) else local(file)
            for role, file in of_job.items()
        }

    return files


def cfg(method):
    """Return the parameter of such a rule: the settings that its result depends on."""
    return lambda wildcards: job_of(method, wildcards).params


def cores(method):
    """Return how many cores such a job takes."""
    return lambda wildcards: job_of(method, wildcards).threads


def gpus(method):
    """Return how many GPUs such a job takes.

    What `auto` means is decided by the machine that runs the workflow. A job that a cluster has
    started already must not ask for what its node has beside what it was given.
    """

    def count(wildcards):
        compute = job_of(method, wildcards).compute
        if compute == "auto":
            return int(workflow.is_main_process and hardware.has_nvidia_gpu())
        return int(compute == "cuda")

    return count


# The chapters of the report (snakemake --report), in the order it is read.
CHAPTERS = {
    "found": "1 What was found",
    "take": "2 What to take",
    "fronts": "3 The fronts",
    "quality": "4 How good that is",
    "provenance": "5 Where it comes from",
}


def shown(path, caption, chapter, **labels):
    """Return an output that the report shows, with the text that stands beside it."""
    caption = str(REPOSITORY / "resources" / "captions" / f"{caption}.rst")
    return report(path, caption=caption, category=CHAPTERS[chapter], labels=labels)


def shown_facts(path, of, device="all"):
    """Return the JSON that says how a result was made, as an output that the report shows."""
    return shown(path, "facts", "provenance", of=of, device=device)
