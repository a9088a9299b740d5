"""Tables: a row for each baseline, and for each proxy with each search.

Writes  results/tables/{device}.csv    a row for each method and data set, with all sources
        results/tables/{device}.md     the form of a paper, for a README
        results/tables/{device}.tex    the same for LaTeX
        results/tables/{device}.json   how it was made
"""


rule table:
    input:
        table_files,
    output:
        csv=report(
            "results/tables/{device}.csv",
            caption=captioned("table"),
            category=CHAPTERS["found"],
            labels={"device": "{device}", "what": "all methods"},
        ),
        md="results/tables/{device}.md",
        tex="results/tables/{device}.tex",
        facts=report(
            "results/tables/{device}.json",
            caption=captioned("facts"),
            category=CHAPTERS["provenance"],
            labels={"of": "table", "device": "{device}"},
        ),
    log:
        "logs/table/{device}.log",
    wildcard_constraints:
        device=r"(?!all\.)[A-Za-z0-9_]+",  # all.csv is the table of rule all_tables
    conda:
        "../envs/hanas.yaml"
    params:
        cfg=lambda w: {
            "revision": REVISIONS["table"],
            "device": w.device,
            "representative": STUDY["tables"]["representative"],
            "rows": table_rows(w.device),
        },
    script:
        "../workflow_scripts/table.py"
