"""The explorer: all fronts of the study in one page that a browser opens from disk.

Writes  results/explorer.html   the page; it needs no network
        results/explorer.json   how it was made
"""


rule explorer:
    input:
        unpack(inputs(graph.explorer)),
    output:
        page=shown("results/explorer.html", "explorer"),
        facts=shown("results/explorer.json", "facts"),
    log:
        "logs/explorer.log",
    conda:
        ENVIRONMENT
    params:
        cfg=cfg(graph.explorer),
    script:
        "../workflow_scripts/explorer.py"
