"""Proxies: scores of every architecture without training it.

Writes  results/proxies/{proxy}/{dataset}.parquet   shared by all devices, searchers and seeds
        results/proxies/{proxy}/{dataset}.json      how they were computed
"""


rule proxy_table:
    input:
        unpack(proxy_inputs),
    output:
        table="results/proxies/{proxy}/{dataset}.parquet",
        facts="results/proxies/{proxy}/{dataset}.json",
    log:
        "logs/proxy_table/{proxy}/{dataset}.log",
    conda:
        "../envs/hanas.yaml"
    threads: lambda w: entry("proxies", w.proxy).get("threads", 1)
    resources:
        gpu=lambda w: gpus(entry("proxies", w.proxy).get("device", "cpu")),
    params:
        cfg=proxy_settings,
    script:
        "../workflow_scripts/proxy_table.py"
