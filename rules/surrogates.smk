"""Small models of the tables, for studies without the official files.

Writes  results/surrogates/{space}.npz   the models
        results/surrogates/{space}.csv   how well they predict architectures that were not fitted
"""


rule fit_surrogates:
    input:
        unpack(inputs(graph.fit_surrogates)),
    output:
        models="results/surrogates/{space}.npz",
        quality="results/surrogates/{space}.csv",
        facts="results/surrogates/{space}.json",
    log:
        "logs/fit_surrogates/{space}.log",
    conda:
        ENVIRONMENT
    params:
        cfg=cfg(graph.fit_surrogates),
    script:
        "../workflow_scripts/fit_surrogates.py"
