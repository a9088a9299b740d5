"""Architectures that are trained to learn accuracy from: chosen in rounds, each trained in a job of its own.

Writes  results/learned/{proxy}/{dataset}/{round}/chosen.csv     texts of the architectures of a round
        results/learned/{proxy}/{dataset}/{round}/{number}.csv   what training one of them showed
and beside each a .json that says how it was computed. What was trained once is kept in
results/learned/{proxy}/{dataset}/kept/ for when it is chosen again.
"""


rule choose_architectures:
    input:
        unpack(inputs(graph.choose_architectures)),
    output:
        chosen="results/learned/{proxy}/{dataset}/{round}/chosen.csv",
        facts="results/learned/{proxy}/{dataset}/{round}/chosen.json",
    log:
        "logs/choose_architectures/{proxy}/{dataset}/{round}.log",
    conda:
        ENVIRONMENT
    threads: cores(graph.choose_architectures)
    resources:
        gpu=gpus(graph.choose_architectures),
    params:
        cfg=cfg(graph.choose_architectures),
    script:
        "../workflow_scripts/choose_architectures.py"


rule train_chosen:
    input:
        unpack(inputs(graph.train_chosen)),
    output:
        shown="results/learned/{proxy}/{dataset}/{round}/{number}.csv",
        facts="results/learned/{proxy}/{dataset}/{round}/{number}.json",
    log:
        "logs/train_chosen/{proxy}/{dataset}/{round}/{number}.log",
    wildcard_constraints:
        number="[0-9]+",  # not chosen.csv
    conda:
        ENVIRONMENT
    threads: cores(graph.train_chosen)
    resources:
        gpu=gpus(graph.train_chosen),
        curves=study.curves or "none",
    params:
        cfg=cfg(graph.train_chosen),
    script:
        "../workflow_scripts/train_chosen.py"
