"""Tables: a row for each baseline, and for each proxy with each search.

Writes  results/tables/{device}.csv    a row for each method and data set, with all sources
        results/tables/{device}.md     the form of a paper, for a README
        results/tables/{device}.tex    the same for LaTeX
        results/tables/{device}.json   how it was made
"""


def device_task_names(device):
    """Return the tasks that are reported on a device, in the order of the table."""
    shown = STUDY["tables"].get("tasks", list(STUDY["tasks"]))
    return [
        task for task in shown if task in entry("devices", device).get("tasks", shown)
    ]


def table_rows(device):
    """Return what each row shows and the file that it is read from."""
    rows = []
    for task_name in device_task_names(device):
        task = entry("tasks", task_name)
        where = f"{task['space']}/{task['dataset']}.parquet"
        common = {
            "task": task_name,
            "dataset": task["dataset"],
            "space": task["space"],
            "accuracies": f"results/benchmarks/{where}",
            "metrics": f"results/devices/{device}/{where}",
        }
        for name in task["supernets"]:
            supernet = entry("supernets", name)
            rows.append(
                {
                    **common,
                    "method": supernet.get("label", supernet["trainer"].upper()),
                    "kind": "found",
                    "trained_on": supernet["dataset"],
                    "file": f"results/supernets/{name}/found.json",
                }
            )
        for proxy_name in task["proxies"]:
            for search_name in STUDY["tables"].get("searches", list(STUDY["searches"])):
                rows.append(
                    {
                        **common,
                        "method": f"{proxy_label(proxy_name)}+{search_label(search_name)}",
                        "kind": "search",
                        "trained_on": trained_on(proxy_name),
                        "file": f"results/searches/{task_name}/{device}/{proxy_name}/{search_name}.parquet",
                    }
                )
    return rows


def table_files(wildcards):
    rows = table_rows(wildcards.device)
    return sorted(
        {row[key] for row in rows for key in ("file", "accuracies", "metrics")}
    )


rule table:
    input:
        table_files,
    output:
        csv=report(
            "results/tables/{device}.csv",
            caption=captioned("table"),
            category=CHAPTERS["found"],
            labels={"device": "{device}", "what": "all methods"},
        ),
        md="results/tables/{device}.md",
        tex="results/tables/{device}.tex",
        facts=report(
            "results/tables/{device}.json",
            caption=captioned("facts"),
            category=CHAPTERS["provenance"],
            labels={"of": "table", "device": "{device}"},
        ),
    log:
        "logs/table/{device}.log",
    params:
        cfg=lambda w: {
            "revision": REVISIONS["table"],
            "device": w.device,
            "representative": STUDY["tables"]["representative"],
            "rows": table_rows(w.device),
        },
    script:
        "../workflow_scripts/table.py"
