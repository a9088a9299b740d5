"""Small models of the tables, for studies without the official files.

Writes  results/surrogates/{space}.npz   the models
        results/surrogates/{space}.csv   how well they predict architectures that were not fitted
"""


def fitted_tables(wildcards):
    datasets = entry("benchmarks", wildcards.space)
    return {
        "accuracies": expand(
            rules.accuracy_table.output.table, dataset=datasets, allow_missing=True
        ),
        "devices": expand(
            rules.device_table.output.table,
            device=STUDY["devices"],
            dataset=datasets,
            allow_missing=True,
        ),
    }


rule fit_surrogates:
    input:
        unpack(fitted_tables),
    output:
        models="results/surrogates/{space}.npz",
        quality="results/surrogates/{space}.csv",
        facts="results/surrogates/{space}.json",
    log:
        "logs/fit_surrogates/{space}.log",
    params:
        cfg=lambda w: settings("surrogates", "surrogates", w.space),
    script:
        "../workflow_scripts/fit_surrogates.py"
