"""Weight-sharing networks.

Writes  results/supernets/{supernet}/weights.pt        shared weights and architecture weights
        results/supernets/{supernet}/history.parquet   an epoch a row
        results/supernets/{supernet}/found.json        the architecture that training yields
        results/supernets/{supernet}/meta.json         how it was trained
A killed training leaves results/supernets/{supernet}/checkpoint.pt, from which the next continues.
"""


rule train_supernet:
    input:
        unpack(inputs(graph.train_supernet)),
    output:
        weights="results/supernets/{supernet}/weights.pt",
        history="results/supernets/{supernet}/history.parquet",
        found="results/supernets/{supernet}/found.json",
        facts="results/supernets/{supernet}/meta.json",
    log:
        "logs/train_supernet/{supernet}.log",
    conda:
        ENVIRONMENT
    threads: cores(graph.train_supernet)
    resources:
        gpu=gpus(graph.train_supernet),
        curves=study.curves or "none",
    params:
        cfg=cfg(graph.train_supernet),
    script:
        "../workflow_scripts/train_supernet.py"
