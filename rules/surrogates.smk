"""Small models of the tables, for studies without the official files.

Writes  results/surrogates/{space}.npz   the models
        results/surrogates/{space}.csv   how well they predict architectures that were not fitted
"""


rule fit_surrogates:
    input:
        unpack(fitted_tables),
    output:
        models="results/surrogates/{space}.npz",
        quality="results/surrogates/{space}.csv",
        facts="results/surrogates/{space}.json",
    log:
        "logs/fit_surrogates/{space}.log",
    conda:
        "../envs/hanas.yaml"
    params:
        cfg=lambda w: settings("surrogates", "surrogates", w.space),
    script:
        "../workflow_scripts/fit_surrogates.py"
