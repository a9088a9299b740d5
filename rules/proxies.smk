"""Proxies: scores of every architecture without training it.

Writes  results/proxies/{proxy}/{dataset}.parquet   shared by all devices, searchers and seeds
        results/proxies/{proxy}/{dataset}.json      how they were computed
"""


def proxy_dataset(proxy, task):
    """Return the data set that a proxy is computed on: a supernet's own, else the task's."""
    found = entry("proxies", proxy)
    if found["kind"] == "supernet":
        return entry("supernets", found["supernet"])["dataset"]
    return entry("tasks", task)["dataset"]


def proxy_inputs(wildcards):
    found = entry("proxies", wildcards.proxy)
    if found["kind"] != "supernet":
        return {}
    supernet = entry("supernets", found["supernet"])
    if wildcards.dataset != supernet["dataset"]:
        raise WorkflowError(
            f"proxies.{wildcards.proxy} is computed on {supernet['dataset']}, which its supernet "
            f"was trained on, not on {wildcards.dataset}"
        )
    return {
        "weights": f"results/supernets/{found['supernet']}/weights.pt",
        "images": f"results/datasets/{wildcards.dataset}.pt",
    }


def proxy_settings(wildcards):
    found = settings(
        "proxy", "proxies", wildcards.proxy, without=("label", "objective", "threads")
    )
    if found["kind"] == "supernet":
        found["space"] = entry("supernets", found["supernet"])["space"]
    return found


rule proxy_table:
    input:
        unpack(proxy_inputs),
    output:
        table="results/proxies/{proxy}/{dataset}.parquet",
        facts="results/proxies/{proxy}/{dataset}.json",
    log:
        "logs/proxy_table/{proxy}/{dataset}.log",
    threads: lambda w: entry("proxies", w.proxy).get("threads", 1)
    resources:
        gpu=lambda w: gpus(entry("proxies", w.proxy).get("device", "cpu")),
    params:
        cfg=proxy_settings,
    script:
        "../workflow_scripts/proxy_table.py"
