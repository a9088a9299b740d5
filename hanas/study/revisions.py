"""The revision of each stage of the workflow.

Snakemake does not see changes in imported code. Each stage therefore has a number that is part of
its rule's parameters: raise it whenever a change of the code changes what the stage computes, and
the stage and everything after it run again. Standard library only: read while rules are parsed.
"""

REVISIONS = {
    "dataset": 1,
    "space": 1,
    "accuracy_table": 1,
    "device_table": 1,
    "measuring": 2,
    "surrogates": 1,
    "supernet": 1,
    "search": 1,
    "retraining": 1,
    "export": 1,
    "models": 2,
    "table": 3,
    "evaluation": 5,
    "ranking": 3,
    "devices_compared": 2,
    "decisions": 4,
    "all_tables": 1,
    "explorer": 1,
    "figures": 3,
    "figure_front_spaces": 1,
}
