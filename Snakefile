"""hanas: hardware-aware neural architecture search.

Usage:  snakemake --cores 2 results/tables/edgegpu.csv

What is computed stands in config.yaml (or another study given with --configfile); the rules of
each stage stand in rules/, what a rule runs in workflow_scripts/, and what that calls in hanas/.
"""

import sys
import time
from pathlib import Path

from hanas.core import yaml_files
from hanas.study import runs, slurm

STARTED = time.time()
runs.leave_the_current_folder()
if workflow.is_main_process:
    runs.end_with_the_terminal()
REPOSITORY = Path(workflow.basedir)
LOCK = runs.hold_lock(Path(".snakemake")) if workflow.is_main_process else None
if workflow.is_main_process:
    runs.bring_to_the_present(Path("results"))


# Before Snakemake parses them: it says of files that are no YAML only that they are none.
for file in workflow.config_settings.configfiles if workflow.is_main_process else ():
    yaml_files.check(file)

# A study given on the command line is complete and is never mixed with the default one. A study's
# own folder (--directory) may hold its config.yaml.
if not workflow.config_settings.configfiles:
    OWN = "config.yaml" if Path("config.yaml").exists() else str(REPOSITORY / "config.yaml")
    yaml_files.check(OWN)

    configfile: OWN


report: "resources/captions/study.rst"


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
for target in sys.argv[1:] if workflow.is_main_process else ():
    for maker in workflow.rules if target.startswith("results/") else ():
        if maker.is_producer(target) and hasattr(graph, maker.name):
            job_of(getattr(graph, maker.name), *maker.get_wildcards(target).items())


onstart:
    if workflow.is_main_process:
        planned.remember(PLANNED)
    if workflow.is_main_process and getattr(workflow.executor_plugin, "name", "") == "slurm":
        try:
            slurm.require(Path(".snakemake"))
        except InputError as error:
            raise WorkflowError(str(error)) from None


# For the first page of the report, which sees nothing but settings.
decided = study.devices if workflow.is_main_process else ()
config["doubts"] = list(runs.doubts(Path("results/decisions"), decided))


onsuccess:
    for line in runs.doubts(Path("results/decisions"), study.devices):
        print(line, file=sys.stderr)


onerror:
    for line in runs.ended_by_slurm(Path(".snakemake/slurm_logs"), since=STARTED):
        print(line, file=sys.stderr)
