"""Judgement: how good every found front is, what to take, and how it compares.

Writes  results/evaluations/{device}/indicators.csv        a search and seed a row
        results/evaluations/{device}/budget.csv            what ranking and what searching lost
        results/evaluations/{device}/statistics.csv        searchers compared over their seeds
        results/evaluations/{device}/convergence.parquet   quality over evaluations
        results/evaluations/{device}/attainment.parquet    what one, half and all seeds attain
        results/evaluations/{device}/peeling.csv           what training layer after layer brings
        results/evaluations/{device}/trained_fronts.csv    the fronts of what was trained so
        results/evaluations/ranking.csv                    how well each proxy ranks
        results/evaluations/device_correlation.csv         how far devices agree
        results/evaluations/transfer_between_devices.csv   what a borrowed front loses
        results/decisions/{device}.csv, .md                what to take, also for `hanas pick`
and beside each the .json of how it was made.
"""


rule evaluation:
    input:
        unpack(inputs(graph.evaluation)),
    output:
        indicators=shown("results/evaluations/{device}/indicators.csv", "indicators"),
        budget=shown("results/evaluations/{device}/budget.csv", "budget"),
        statistics=shown("results/evaluations/{device}/statistics.csv", "statistics"),
        convergence="results/evaluations/{device}/convergence.parquet",
        attainment="results/evaluations/{device}/attainment.parquet",
        peeling=shown("results/evaluations/{device}/peeling.csv", "peeling"),
        trained_fronts=shown("results/evaluations/{device}/trained_fronts.csv", "trained_fronts"),
        facts=shown("results/evaluations/{device}/evaluation.json", "facts"),
    log:
        "logs/evaluation/{device}.log",
    conda:
        ENVIRONMENT
    params:
        cfg=cfg(graph.evaluation),
    script:
        "../workflow_scripts/evaluation.py"


rule ranking:
    input:
        unpack(inputs(graph.ranking)),
    output:
        table=shown("results/evaluations/ranking.csv", "ranking"),
        facts=shown("results/evaluations/ranking.json", "facts"),
    log:
        "logs/ranking.log",
    conda:
        ENVIRONMENT
    params:
        cfg=cfg(graph.ranking),
    script:
        "../workflow_scripts/ranking.py"


rule devices_compared:
    input:
        unpack(inputs(graph.devices_compared)),
    output:
        correlation=shown("results/evaluations/device_correlation.csv", "devices_compared"),
        transfer=shown("results/evaluations/transfer_between_devices.csv", "transfer"),
        facts=shown("results/evaluations/devices_compared.json", "facts"),
    log:
        "logs/devices_compared.log",
    conda:
        ENVIRONMENT
    params:
        cfg=cfg(graph.devices_compared),
    script:
        "../workflow_scripts/devices_compared.py"


rule decisions:
    input:
        unpack(inputs(graph.decisions)),
    output:
        csv=shown("results/decisions/{device}.csv", "decisions"),
        md=shown("results/decisions/{device}.md", "advice"),
        facts=shown("results/decisions/{device}.json", "facts"),
    log:
        "logs/decisions/{device}.log",
    conda:
        ENVIRONMENT
    params:
        cfg=cfg(graph.decisions),
    script:
        "../workflow_scripts/decisions.py"
