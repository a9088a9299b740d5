"""Search spaces.

Writes  results/spaces/{space}.parquet   every architecture: index, text, canonical form, costs
"""


rule space:
    output:
        "results/spaces/{space}.parquet",
    log:
        "logs/space/{space}.log",
    conda:
        "../envs/hanas.yaml"
    params:
        cfg=lambda w: {"revision": REVISIONS["space"], "space": w.space},
    script:
        "../workflow_scripts/space.py"
