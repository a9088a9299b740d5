"""Images.

Writes  results/datasets/{dataset}.pt     all images as one uint8 tensor, labels, named splits
        results/datasets/{dataset}.json   where they come from
"""


def folder_state(wildcards):
    """Return a digest of the names, sizes and times in a folder of the user's own images."""
    folder = entry("datasets", wildcards.dataset).get("folder")
    if folder is None:
        return {}
    root = Path(data_file(folder))
    states = [
        (str(path.relative_to(root)), path.stat().st_size, path.stat().st_mtime_ns)
        for path in sorted(root.rglob("*"))
        if path.is_file()
    ]
    return {"folder_state": files.digest(states)}


rule dataset:
    output:
        images="results/datasets/{dataset}.pt",
        facts="results/datasets/{dataset}.json",
    log:
        "logs/dataset/{dataset}.log",
    resources:
        # Not a parameter: where the files lie does not change what is in them.
        data_folder=str(DATA),
    params:
        cfg=lambda w: {**settings("dataset", "datasets", w.dataset), **folder_state(w)},
    script:
        "../workflow_scripts/dataset.py"
