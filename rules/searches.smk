"""Searches of the Pareto front.

Writes  results/searches/{task}/{device}/{proxy}.parquet   every evaluation of every search and seed
        results/searches/{task}/{device}/{proxy}.json      how it was searched
        results/rescored/{task}/{device}/{proxy}.csv       found fronts, scored again on other images
        results/rescored/{task}/{device}/{proxy}.differences.parquet  of each pair, with its error
In a layer-wise space, architectures are scored when they are asked for, and every score is kept in
results/proxies/{proxy}/kept/ for other searches and devices.
"""


rule search:
    input:
        unpack(inputs(graph.search)),
    output:
        history="results/searches/{task}/{device}/{proxy}.parquet",
        facts="results/searches/{task}/{device}/{proxy}.json",
    log:
        "logs/search/{task}/{device}/{proxy}.log",
    conda:
        ENVIRONMENT
    threads: cores(graph.search)
    resources:
        gpu=gpus(graph.search),
    params:
        cfg=cfg(graph.search),
    script:
        "../workflow_scripts/search.py"


rule rescore:
    input:
        unpack(inputs(graph.rescore)),
    output:
        table="results/rescored/{task}/{device}/{proxy}.csv",
        differences="results/rescored/{task}/{device}/{proxy}.differences.parquet",
        facts=shown("results/rescored/{task}/{device}/{proxy}.json", "facts"),
    log:
        "logs/rescore/{task}/{device}/{proxy}.log",
    conda:
        ENVIRONMENT
    threads: cores(graph.rescore)
    resources:
        gpu=gpus(graph.rescore),
    params:
        cfg=cfg(graph.rescore),
    script:
        "../workflow_scripts/rescore.py"
