"""Images.

Writes  results/datasets/{dataset}.pt     all images as one uint8 tensor, labels, named splits
        results/datasets/{dataset}.json   where they come from
"""


rule dataset:
    input:
        unpack(inputs(graph.dataset)),
    output:
        images="results/datasets/{dataset}.pt",
        facts="results/datasets/{dataset}.json",
    log:
        "logs/dataset/{dataset}.log",
    conda:
        ENVIRONMENT
    resources:
        # Not a parameter: where the files lie does not change what is in them.
        data_folder=str(graph.data),
    params:
        cfg=cfg(graph.dataset),
    script:
        "../workflow_scripts/dataset.py"
