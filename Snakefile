"""hanas: hardware-aware neural architecture search.

Usage:  snakemake --cores 2 results/tables/edgegpu.csv

What is computed stands in config.yaml (or another study given with --configfile); the rules of
each stage stand in rules/, what a rule runs in workflow_scripts/, and what that calls in hanas/.
"""

import sys
import time
from pathlib import Path

from snakemake.exceptions import WorkflowError

try:
    from hanas.core import yaml_files
    from hanas.study import running, runs, slurm
except ModuleNotFoundError as error:
    raise WorkflowError(
        f"{error.name} is not installed where snakemake runs, which reads the study with it; install "
        "hanas there: pip install, and the folder or the repository that this workflow is of"
    ) from None

STARTED = time.time()
# Another workflow may use this one as a module, with a prefix for its results.
IS_MODULE = not workflow.modifier.is_main_snakefile()
RESULTS_FOLDER = str(workflow.modifier.modify_path("results"))
PREFIX = RESULTS_FOLDER.removesuffix("results")
if not IS_MODULE:  # whose other rules are none of ours
    runs.leave_the_current_folder()
if workflow.is_main_process:
    runs.end_with_the_terminal()
LOCK = runs.hold_lock(Path(".snakemake")) if workflow.is_main_process else None
if workflow.is_main_process:
    runs.bring_to_the_present(Path(RESULTS_FOLDER))


# Before Snakemake parses them: it says of files that are no YAML only that they are none. A module
# may be given a part of a file, whose rest is none of ours.
IS_WHOLE = config is workflow.modifier_stack[0].globals["config"]
for file in workflow.configfiles if workflow.is_main_process and IS_WHOLE else ():
    yaml_files.check(file)

# A study given on the command line is complete and is never mixed with the default one. A study's
# own folder (--directory) may hold its config.yaml.
if IS_MODULE and not config:
    raise WorkflowError("the module of hanas has no study; give it one: `config: config`")
elif not workflow.configfiles and not IS_MODULE:
    SHIPPED = workflow.current_basedir.join("config.yaml").get_path_or_uri(secret_free=True)
    OWN = "config.yaml" if Path("config.yaml").exists() else SHIPPED
    yaml_files.check(OWN)

    configfile: OWN


report: "hanas/resources/captions/study.rst"


include: "rules/common.smk"
include: "rules/datasets.smk"
include: "rules/spaces.smk"
include: "rules/benchmarks.smk"
include: "rules/measuring.smk"
include: "rules/devices.smk"
include: "rules/surrogates.smk"
include: "rules/supernets.smk"
include: "rules/proxies.smk"
include: "rules/learning.smk"
include: "rules/searches.smk"
include: "rules/tables.smk"
include: "rules/retraining.smk"
include: "rules/exports.smk"
include: "rules/explorer.smk"
include: "rules/evaluations.smk"
include: "rules/lens.smk"
include: "rules/figures.smk"


rule all:
    default_target: True
    input:
        graph.targets(),


# Snakemake would tell with a traceback that a target names an entry which the study does not have;
# of files that none makes it speaks plainly itself.
MAKERS = {workflow.modifier.modify_rulename(name): getattr(graph, name) for name in RESULTS}
for target in sys.argv[1:] if workflow.is_main_process else ():
    for maker in workflow.rules if target.startswith(f"{RESULTS_FOLDER}/") else ():
        if maker.name in MAKERS and maker.is_producer(target):
            job_of(MAKERS[maker.name], *maker.get_wildcards(target).items())


WATCH = running.Watch()  # what jobs are at, while they run


onstart:
    if workflow.is_main_process:
        planned.remember(PLANNED)
        try:
            on_slurm = getattr(workflow.executor_plugin, "name", "") == "slurm"
            slurm.require(Path(".snakemake"), submits=on_slurm)
        except InputError as error:
            # Its end would remove the empty folders where jobs that still wait are to write their logs,
            # without which SLURM lets these fail.
            if on_slurm:
                workflow.executor_settings.delete_logfiles_older_than = 0
            raise WorkflowError(str(error)) from None
    quiet = {each.name for each in workflow.output_settings.quiet or ()}
    if workflow.is_main_process and not quiet & {"ALL", "PROGRESS"}:
        WATCH.start()


# For the first page of the report, which sees nothing but settings.
decided = study.devices if workflow.is_main_process else ()
config["doubts"] = list(runs.doubts(Path(RESULTS_FOLDER, "decisions"), decided))


onsuccess:
    WATCH.stop()
    for line in runs.doubts(Path(RESULTS_FOLDER, "decisions"), study.devices):
        print(line, file=sys.stderr)


onerror:
    WATCH.stop()
    for line in runs.ended_by_slurm(Path(".snakemake/slurm_logs"), since=STARTED):
        print(line, file=sys.stderr)
