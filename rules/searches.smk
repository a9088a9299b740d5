"""Searches of the Pareto front.

Writes  results/searches/{task}/{device}/{proxy}/{search}.parquet   every evaluation of every seed
        results/searches/{task}/{device}/{proxy}/{search}.json      how it was searched
In a layer-wise space, architectures are scored when they are asked for, and every score is kept in
results/proxies/{proxy}/kept/ for other searches and devices.
"""


rule search:
    input:
        unpack(search_inputs),
    output:
        history="results/searches/{task}/{device}/{proxy}/{search}.parquet",
        facts="results/searches/{task}/{device}/{proxy}/{search}.json",
    log:
        "logs/search/{task}/{device}/{proxy}/{search}.log",
    conda:
        "../envs/hanas.yaml"
    threads: search_threads
    resources:
        gpu=search_gpus,
    params:
        cfg=search_settings,
    script:
        "../workflow_scripts/search.py"
