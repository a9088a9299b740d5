"""Latency and energy.

Writes  results/devices/{device}/{space}/{dataset}.parquet   metrics of every architecture
        results/devices/{device}/{space}/{dataset}.json      where they come from
"""


rule device_table:
    input:
        unpack(device_files),
    output:
        table="results/devices/{device}/{space}/{dataset}.parquet",
        facts="results/devices/{device}/{space}/{dataset}.json",
    log:
        "logs/device_table/{device}/{space}/{dataset}.log",
    conda:
        "../envs/hanas.yaml"
    resources:
        data_folder=str(DATA),
    params:
        cfg=device_settings,
    script:
        "../workflow_scripts/device_table.py"
