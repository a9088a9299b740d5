"""Picks that are trained, from scratch or from their part of a supernet on.

Writes  results/retrained/{retraining}/metrics.parquet   test accuracy beside the benchmark's
        results/retrained/{retraining}/weights.pt        weights of each architecture
        results/retrained/{retraining}/history.parquet   an architecture and epoch a row
        results/retrained/{retraining}/meta.json         how they were trained
"""


rule retrain:
    input:
        unpack(inputs(graph.retrain)),
    output:
        metrics="results/retrained/{retraining}/metrics.parquet",
        weights="results/retrained/{retraining}/weights.pt",
        history="results/retrained/{retraining}/history.parquet",
        facts="results/retrained/{retraining}/meta.json",
    log:
        "logs/retrain/{retraining}.log",
    conda:
        ENVIRONMENT
    threads: cores(graph.retrain)
    resources:
        gpu=gpus(graph.retrain),
        curves=study.curves or "none",
    params:
        cfg=cfg(graph.retrain),
    script:
        "../workflow_scripts/retrain.py"
