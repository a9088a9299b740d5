"""Latency and energy.

Writes  results/devices/{device}/{space}/{dataset}.parquet   metrics of every architecture
        results/devices/{device}/{space}/{dataset}.json      where they come from
"""


rule device_table:
    input:
        files=device_files,
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
        cfg=lambda w: with_bundle(
            settings(
                "device_table", "devices", w.device, without=("objectives", "tasks")
            )
        ),
    script:
        "../workflow_scripts/device_table.py"
