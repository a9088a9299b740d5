"""Searches of the Pareto front.

Writes  results/searches/{task}/{device}/{proxy}/{search}.parquet   every evaluation of every seed
        results/searches/{task}/{device}/{proxy}/{search}.json      how it was searched
"""


def device_metrics(wildcards):
    task = entry("tasks", wildcards.task)
    return (
        f"results/devices/{wildcards.device}/{task['space']}/{task['dataset']}.parquet"
    )


def search_settings(wildcards):
    found = settings("search", "searches", wildcards.search, without=("label",))
    found["space"] = entry("tasks", wildcards.task)["space"]
    found["proxy_objective"] = entry("proxies", wildcards.proxy).get(
        "objective", "score"
    )
    found["device_objectives"] = entry("devices", wildcards.device).get(
        "objectives", "all"
    )
    return found


rule search:
    input:
        proxy=lambda w: f"results/proxies/{w.proxy}/{proxy_dataset(w.proxy, w.task)}.parquet",
        device=device_metrics,
    output:
        history="results/searches/{task}/{device}/{proxy}/{search}.parquet",
        facts="results/searches/{task}/{device}/{proxy}/{search}.json",
    log:
        "logs/search/{task}/{device}/{proxy}/{search}.log",
    params:
        cfg=search_settings,
    script:
        "../workflow_scripts/search.py"
