"""The explorer: all fronts of the study in one page that a browser opens from disk.

Writes  results/explorer.html   the page; it needs no network
        results/explorer.json   how it was made
"""

EXPLORER_PARTS = {
    "page": "page.html",
    "style": "style.css",
    "script": "explorer.js",
}


def evaluated_searches(task):
    """Return the (proxy, search) pairs of a task that are reported or stand beside."""
    space = entry("tasks", task)["space"]
    beside = STUDY["evaluation"]
    proxies = [
        *entry("tasks", task)["proxies"],
        *(
            name
            for name in beside["proxies"]
            if study.proxy_space(STUDY, name) == space
        ),
    ]
    searches = [
        *STUDY["tables"].get("searches", list(STUDY["searches"])),
        *beside["searches"],
    ]
    # Each once, in this order.
    return [(p, s) for p in dict.fromkeys(proxies) for s in dict.fromkeys(searches)]


def explorer_rows():
    rows = []
    for device in STUDY["devices"]:
        for task_name in device_task_names(device):
            task = entry("tasks", task_name)
            where = f"{task['space']}/{task['dataset']}.parquet"
            for proxy, search in evaluated_searches(task_name):
                of_proxy = f"{proxy}/{proxy_dataset(proxy, task_name)}.parquet"
                rows.append(
                    {
                        "device": device,
                        "task": task_name,
                        "dataset": task["dataset"],
                        "space": task["space"],
                        "proxy": proxy,
                        "proxy_label": proxy_label(proxy),
                        "proxy_objective": entry("proxies", proxy).get(
                            "objective", "score"
                        ),
                        "trained_on": trained_on(proxy),
                        "search": search,
                        "search_label": search_label(search),
                        "accuracy_floor_percent": task["accuracy_floor_percent"],
                        "accuracies": f"results/benchmarks/{where}",
                        "metrics": f"results/devices/{device}/{where}",
                        "proxy_table": f"results/proxies/{of_proxy}",
                        "history": f"results/searches/{task_name}/{device}/{proxy}/{search}.parquet",
                    }
                )
    return rows


def explorer_files(wildcards):
    files = ("accuracies", "metrics", "proxy_table", "history")
    return sorted({row[key] for row in explorer_rows() for key in files})


# A study of supernets alone has no front to show.
EXPLORER = ["results/explorer.html"] if explorer_rows() else []


rule explorer:
    input:
        explorer_files,
        **{
            part: str(REPOSITORY / "resources" / "explorer" / name)
            for part, name in EXPLORER_PARTS.items()
        },
    output:
        page=report(
            "results/explorer.html",
            caption=captioned("explorer"),
            category=CHAPTERS["fronts"],
            labels={"what": "all fronts, to explore"},
        ),
        facts=report(
            "results/explorer.json",
            caption=captioned("facts"),
            category=CHAPTERS["provenance"],
            labels={"of": "explorer", "device": "all"},
        ),
    log:
        "logs/explorer.log",
    params:
        cfg={"revision": REVISIONS["explorer"], "rows": explorer_rows()},
    script:
        "../workflow_scripts/explorer.py"
