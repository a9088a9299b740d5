"""Searches of the Pareto front.

Writes  results/searches/{task}/{device}/{proxy}/{search}.parquet   every evaluation of every seed
        results/searches/{task}/{device}/{proxy}/{search}.json      how it was searched
"""


rule search:
    input:
        proxy=lambda w: f"results/proxies/{w.proxy}/{proxy_dataset(w.proxy, w.task)}.parquet",
        device=device_metrics,
    output:
        history="results/searches/{task}/{device}/{proxy}/{search}.parquet",
        facts="results/searches/{task}/{device}/{proxy}/{search}.json",
    log:
        "logs/search/{task}/{device}/{proxy}/{search}.log",
    conda:
        "../envs/hanas.yaml"
    params:
        cfg=search_settings,
    script:
        "../workflow_scripts/search.py"
