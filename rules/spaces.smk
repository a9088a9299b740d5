"""Search spaces.

Writes  results/spaces/{space}.parquet   every architecture: index, text, canonical form, costs
        results/spaces/{space}.json      how it was made
"""


rule space:
    input:
        unpack(inputs(graph.space)),
    output:
        table="results/spaces/{space}.parquet",
        facts="results/spaces/{space}.json",
    log:
        "logs/space/{space}.log",
    conda:
        ENVIRONMENT
    params:
        cfg=cfg(graph.space),
    script:
        "../workflow_scripts/space.py"
