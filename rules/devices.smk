"""Latency and energy.

Writes  results/devices/{device}/{space}/{dataset}.parquet   metrics of every architecture
        results/devices/{device}/{space}/{dataset}.json      where they come from
"""


rule device_table:
    input:
        unpack(inputs(graph.device_table)),
    output:
        table="results/devices/{device}/{space}/{dataset}.parquet",
        facts="results/devices/{device}/{space}/{dataset}.json",
    log:
        "logs/device_table/{device}/{space}/{dataset}.log",
    conda:
        ENVIRONMENT
    resources:
        # Not a parameter: where the files lie does not change what is in them.
        data_folder=str(graph.data),
    params:
        cfg=cfg(graph.device_table),
    script:
        "../workflow_scripts/device_table.py"
