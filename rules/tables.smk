"""Tables: a row for each baseline, and for each proxy with each search.

Writes  results/tables/{device}.csv           a row for each method and data set, with all sources
        results/tables/{device}.md            the form of a paper, for a README
        results/tables/{device}.tex           the same for LaTeX
        results/comparison/{device}.csv, .md  ours beside the published table
        results/tables/{device}.json          how they were made
        results/tables/all.csv                all devices' tables in one
"""


rule table:
    input:
        unpack(inputs(graph.table)),
    output:
        csv=shown("results/tables/{device}.csv", "table"),
        md="results/tables/{device}.md",
        tex="results/tables/{device}.tex",
        comparison_csv=shown("results/comparison/{device}.csv", "comparison"),
        comparison_md="results/comparison/{device}.md",
        facts=shown("results/tables/{device}.json", "facts"),
    log:
        "logs/table/{device}.log",
    wildcard_constraints:
        device=r"(?!all\.)[A-Za-z0-9_]+",  # all.csv is the table of rule all_tables
    conda:
        ENVIRONMENT
    params:
        cfg=cfg(graph.table),
    script:
        "../workflow_scripts/table.py"


rule all_tables:
    input:
        unpack(inputs(graph.all_tables)),
    output:
        table=shown("results/tables/all.csv", "all_tables"),
        facts=shown("results/tables/all.json", "facts"),
    log:
        "logs/all_tables.log",
    conda:
        ENVIRONMENT
    params:
        cfg=cfg(graph.all_tables),
    script:
        "../workflow_scripts/all_tables.py"
