"""The study, its graph of jobs, and the few functions that wire a job of the graph into a rule."""

import os
import sys
from functools import cache

import yaml
from snakemake.exceptions import WorkflowError
from snakemake.io import contains_wildcard
from snakemake.sourcecache import HostingProviderFile, LocalGitFile, LocalSourceFile

from hanas.core import compute, plugins
from hanas.core.errors import InputError
from hanas.core.files import RESOURCES
from hanas.study import checks as studies
from hanas.study import environments, facts, planned, runs
from hanas.study.graph import Graph
from hanas.study.results import RESULTS, facts_file, is_result


# Names only: what exists is checked by the graph, which can say what the names are.
wildcard_constraints:
    **dict.fromkeys(
        "dataset device lens number proxy retraining round search smaller space supernet task".split(),
        "[A-Za-z0-9_]+",
    ),


STUDY_NAME = ", ".join(str(file) for file in workflow.configfiles) or "config"
if config.get("plugin_folder") and plugins.FOLDER_VARIABLE not in os.environ:
    # Inherited by the jobs of this machine; those of others read the study themselves.
    os.environ[plugins.FOLDER_VARIABLE] = os.path.abspath(config["plugin_folder"])


try:
    # What is to be doubted is told to the report as if it were a setting, see Snakefile.
    given = {key: value for key, value in config.items() if key != "doubts"}
    study = studies.read(given, name=STUDY_NAME)
except InputError as error:
    raise WorkflowError(str(error)) from None
graph = Graph(study, Path(os.environ.get("HANAS_DATA") or study.data_folder))

# Checked here and not in input functions, because Snakemake would take a table that was made before for up
# to date although the file it is now to be made from does not exist. Jobs on other machines need not see files
# that they do not read.
for key, name in studies.user_files(study) if workflow.is_main_process else ():
    if contains_wildcard(graph.user_file(name)):  # nothing can stand for the braces themselves
        raise WorkflowError(
            f"{STUDY_NAME}: {key}: {graph.user_file(name)} has a name between braces, which Snakemake takes for "
            "a wildcard; rename it, or point HANAS_DATA or data_folder to a link that has none"
        )
    if not Path(graph.user_file(name)).exists():
        raise WorkflowError(
            f"{STUDY_NAME}: {key}: {graph.user_file(name)} does not exist; put it there, or point HANAS_DATA "
            "or data_folder to the folder that holds it"
        )
    if dated := runs.from_the_future(graph.user_file(name)):
        raise WorkflowError(
            f"{STUDY_NAME}: {key}: {graph.user_file(name)} is dated {dated}, which is still to come; give it the "
            f"time of now with: touch {graph.user_file(name)}"
        )


@cache  # Snakemake asks for each several times
def job_of(method, *wildcards):
    """Return the job of a rule with these wildcards, pairs of name and value."""
    try:
        return graph.job(method.__name__, **dict(wildcards))
    except InputError as error:
        raise WorkflowError(f"{STUDY_NAME}: {error}") from None


PLANNED = {}  # the settings of each job of this run, by the path of its file


@cache  # once a run: what it writes itself is no change
def settings_of(method, *wildcards):
    """Return the file of a job's settings, newer than its result if that is not today's."""
    job, names = job_of(method, *wildcards), dict(wildcards)
    path = planned.file_of(method.__name__, names, PREFIX)
    if workflow.is_main_process or not Path(path).exists():
        told = []
        if workflow.is_main_process:
            old = facts.outdated(method.__name__, names, job, Path(PREFIX))
            told = [*old.contents, *(old.settings if by_settings() else ())]
        if told:
            print(
                f"Made again: {PREFIX}{facts_file(method.__name__, **names)}: {'; '.join(told)}",
                file=sys.stderr,
            )
        PLANNED[path] = job.params
        try:
            planned.write(path, job, told, PREFIX)
        except InputError as error:
            raise WorkflowError(str(error)) from None
    return path


def by_settings():
    """Return whether other settings let a job run again, as --rerun-triggers may deny."""
    return any(trigger.name == "PARAMS" for trigger in workflow.rerun_triggers)


def inputs(method):
    """Return the input function of a rule whose job is a method of the graph."""

    def files(wildcards):
        named = tuple(wildcards.items())
        # What is no result comes from outside: with the code, or from the user. Whether it has
        # changed shows in its content, which the file of settings tells, and never in its time.
        return {
            role: file if is_result(file) else local(ancient(file))
            for role, file in job_of(method, *named).inputs.items()
        } | {planned.ROLE: local(settings_of(method, *named))}

    return files


def cfg(method):
    """Return the parameter of such a job, the settings that its result depends on."""
    return lambda wildcards: job_of(method, *wildcards.items()).params


def cores(method):
    """Return how many cores such a job takes."""
    return lambda wildcards: job_of(method, *wildcards.items()).threads


def gpus(method):
    """Return how many GPUs such a job takes.

    What `auto` means is decided by the machine that runs the workflow. A job that a cluster has
    started already must not ask for what its node has beside what it was given.
    """

    def count(wildcards):
        chosen = job_of(method, *wildcards.items()).compute
        if chosen == "auto":
            return int(workflow.is_main_process and compute.has_nvidia_gpu())
        return int(chosen == "cuda")

    return count


def place_of_hanas():
    """Return what pip is told to install the hanas that these rules are of, None where unknown."""
    here = workflow.current_basedir  # where Snakemake was told to find the rules
    if isinstance(here, LocalSourceFile):
        return environments.from_folder(Path(here.get_path_or_uri(secret_free=True)).parent)
    if isinstance(here, HostingProviderFile):
        return environments.from_git(f"https://{here.host}/{here.repo}", here.ref)
    if isinstance(here, LocalGitFile):
        return environments.from_git(Path(here.repo_path).absolute().as_uri(), here.ref)
    return None


PINNED = Path(workflow.source_path("../envs/hanas.yaml")).read_text(encoding="utf-8")
ENVIRONMENT = environments.write(environments.with_hanas_from(PINNED, place_of_hanas()))


CAPTIONS = (
    "../hanas/resources/captions"  # beside rules/, where a module may have been fetched to, too
)
REPORT = yaml.safe_load((RESOURCES / "captions" / "chapters.yaml").read_text(encoding="utf-8"))


def shown(path, what):
    """Return an output that the report shows, with the text that stands beside it."""
    chapter = next(name for name, of in REPORT["chapters"].items() if what in of)
    named = next((name for name in ("device", "retraining") if f"{{{name}}}" in path), None)
    labels = {"device": f"{{{named}}}" if named else "all"}
    if what == "facts":
        labels["of"] = path.removeprefix("results/").removesuffix(".json")
    else:
        labels["what"] = REPORT["chapters"][chapter][what]
    if chapter.startswith("3"):
        labels["task"] = "{task}" if "{task}" in path else "all"
    caption = f"{CAPTIONS}/{REPORT['shared'].get(what, what)}.rst"
    return report(path, caption=caption, category=chapter, labels=labels)


def drawn(path, what, name=""):
    """Return the outputs of a figure in its three forms, the names of each with one before it."""
    pdf, svg, png = (f"{name}{form}" for form in ("pdf", "svg", "png"))
    return {pdf: f"{path}.pdf", svg: shown(f"{path}.svg", what), png: f"{path}.png"}
