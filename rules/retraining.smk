"""Picks that are trained from scratch.

Writes  results/retrained/{retraining}/metrics.parquet   test accuracy beside the benchmark's
        results/retrained/{retraining}/weights.pt        weights of each architecture
        results/retrained/{retraining}/history.parquet   an architecture and epoch a row
        results/retrained/{retraining}/meta.json         how they were trained
"""


def retraining_inputs(wildcards):
    found = entry("retrainings", wildcards.retraining)
    task = entry("tasks", found["task"])
    inputs = {
        "images": f"results/datasets/{task['dataset']}.pt",
        "accuracies": f"results/benchmarks/{task['space']}/{task['dataset']}.parquet",
    }
    if "search" in found:
        inputs["front"] = (
            f"results/searches/{found['task']}/{found['device']}/{found['proxy']}/"
            f"{found['search']}.parquet"
        )
    return inputs


def retraining_settings(wildcards):
    found = settings("retraining", "retrainings", wildcards.retraining)
    found["space"] = entry("tasks", found["task"])["space"]
    found["representative"] = STUDY["tables"]["representative"]
    return found


rule retrain:
    input:
        unpack(retraining_inputs),
    output:
        metrics="results/retrained/{retraining}/metrics.parquet",
        weights="results/retrained/{retraining}/weights.pt",
        history="results/retrained/{retraining}/history.parquet",
        facts="results/retrained/{retraining}/meta.json",
    log:
        "logs/retrain/{retraining}.log",
    threads: lambda w: entry("retrainings", w.retraining)["threads"]
    resources:
        gpu=lambda w: gpus(entry("retrainings", w.retraining)["train_on"]),
    params:
        cfg=retraining_settings,
    script:
        "../workflow_scripts/retrain.py"
