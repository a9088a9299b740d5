"""Proxies: scores of every architecture without training it.

Writes  results/proxies/{proxy}/{dataset}.parquet   shared by all devices, searchers and seeds
        results/proxies/{proxy}/{dataset}.json      how they were computed
"""


rule proxy_table:
    input:
        unpack(inputs(graph.proxy_table)),
    output:
        table="results/proxies/{proxy}/{dataset}.parquet",
        facts="results/proxies/{proxy}/{dataset}.json",
    log:
        "logs/proxy_table/{proxy}/{dataset}.log",
    conda:
        ENVIRONMENT
    threads: cores(graph.proxy_table)
    resources:
        gpu=gpus(graph.proxy_table),
    params:
        cfg=cfg(graph.proxy_table),
    script:
        "../workflow_scripts/proxy_table.py"
