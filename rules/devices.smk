"""Latency and energy.

Writes  results/devices/{device}/{space}/{dataset}.parquet   metrics of every architecture
        results/devices/{device}/{space}/{dataset}.json      where they come from
"""


def device_files(wildcards):
    found = entry("devices", wildcards.device)
    if found["kind"] == "table":
        found = entry("devices", wildcards.device, "datasets", wildcards.dataset)
    return [data_file(found["file"])] if "file" in found else []


rule device_table:
    input:
        files=device_files,
    output:
        table="results/devices/{device}/{space}/{dataset}.parquet",
        facts="results/devices/{device}/{space}/{dataset}.json",
    log:
        "logs/device_table/{device}/{space}/{dataset}.log",
    resources:
        data_folder=str(DATA),
    params:
        cfg=lambda w: settings(
            "device_table", "devices", w.device, without=("objectives", "tasks")
        ),
    script:
        "../workflow_scripts/device_table.py"
