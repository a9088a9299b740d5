"""The study, its graph of jobs, and the few functions that wire a job of the graph into a rule."""

import os

from snakemake.exceptions import WorkflowError

from hanas.core import compute, plugins
from hanas.core.errors import InputError
from hanas.study import checks as studies
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
        return {role: file if is_result(file) else local(file) for role, file in of_job.items()}

    return files


def cfg(method):
    """Return the parameter of such a job, the settings that its result depends on."""
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
        chosen = job_of(method, wildcards).compute
        if chosen == "auto":
            return int(workflow.is_main_process and compute.has_nvidia_gpu())
        return int(chosen == "cuda")

    return count


def check_targets(targets):
    """Refuse targets of the command line that name an entry which the study does not have.

    Snakemake would tell it with a traceback; of files that none makes it speaks plainly itself.
    """
    for target in targets:
        for maker in workflow.rules:
            if maker.is_producer(target) and hasattr(graph, maker.name):
                job_of(getattr(graph, maker.name), maker.get_wildcards(target))
                break


# The chapters of the report (snakemake --report), in the order it is read, and what each shows:
# the caption of a result (resources/captions/) and its label there.
CHAPTERS = {
    "1 What was found": {
        "table": "all methods",
        "all_tables": "all methods",
        "comparison": "beside the published table",
        "front_spaces": "spaces compared",
    },
    "2 What to take": {
        "decisions": "all fronts",
        "advice": "advice, in words",
        "trained_fronts": "trained fronts",
        "models": "trained models",
    },
    "3 The fronts": {
        "explorer": "a page to explore",
        "fronts": "found and true",
        "proxy_and_true": "believed and true",
        "generations": "generations",
        "animation": "generations, animated",
        "measured_front": "predicted and measured",
    },
    "4 How good that is": {
        "indicators": "indicators",
        "budget": "error budget",
        "statistics": "searchers compared",
        "peeling": "layers trained",
        "layers": "layers trained, {task}",
        "convergence": "convergence, {task}",
        "ranking": "ranking of the proxies",
        "devices_compared": "agreement of devices",
        "transfer": "fronts on other devices",
        "predictor_quality": "predictor, {space}, {dataset}",
    },
    "5 Where it comes from": {"facts": "facts"},
}
# Results that share the caption of another.
CAPTIONS = {
    "advice": "decisions",
    "animation": "generations",
    "layers": "peeling",
    "transfer": "devices_compared",
}


def shown(path, what):
    """Return an output that the report shows, with the text that stands beside it."""
    chapter = next(name for name, of in CHAPTERS.items() if what in of)
    named = next((name for name in ("device", "retraining") if f"{{{name}}}" in path), None)
    labels = {
        "device": f"{{{named}}}" if named else "all",
        "what": CHAPTERS[chapter][what],
    }
    if chapter.startswith("3"):
        labels["task"] = "{task}" if "{task}" in path else "all"
    if what == "facts":
        del labels["what"]
        labels["of"] = path.removeprefix("results/").removesuffix(".json")
    caption = REPOSITORY / "resources" / "captions" / f"{CAPTIONS.get(what, what)}.rst"
    return report(path, caption=str(caption), category=chapter, labels=labels)
