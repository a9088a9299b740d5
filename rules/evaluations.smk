"""Judgement: how good every found front is, what to take, and how it compares.

Writes  results/evaluations/{device}/indicators.csv        a search and seed a row
        results/evaluations/{device}/budget.csv            what ranking and what searching lost
        results/evaluations/{device}/statistics.csv        searchers compared over their seeds
        results/evaluations/{device}/convergence.parquet   quality over evaluations
        results/evaluations/{device}/attainment.parquet    what one, half and all seeds attain
        results/evaluations/ranking.csv                    how well each proxy ranks
        results/evaluations/device_correlation.csv         how far devices agree
        results/evaluations/transfer_between_devices.csv   what a borrowed front loses
        results/decisions/{device}.csv, .md                what to take, also for `hanas pick`
        results/comparison/{device}.csv, .md               ours beside the published table
        results/tables/all.csv                             all devices' tables in one
and beside each the .json of how it was made.
"""

JUDGED = ("device", "task", "dataset", "proxy", "search", "proxy_objective")
JUDGED_FILES = ("accuracies", "metrics", "proxy_table", "history")


# What explorer_rows() says of searches and proxies is judged too, and labels change no judgement.
def evaluated_rows(device, keys=(*JUDGED, *JUDGED_FILES, "accuracy_floor_percent")):
    objectives = entry("devices", device).get("objectives", "all")
    return [
        {**{key: row[key] for key in keys}, "device_objectives": objectives}
        for row in explorer_rows()
        if row["device"] == device
    ]


def files_of(rows, keys=JUDGED_FILES):
    return sorted({row[key] for row in rows for key in keys})


def first_search():
    """Return the search whose front is used: the first NSGA-II, or else the first of all."""
    searches = [
        *STUDY["tables"].get("searches", list(STUDY["searches"])),
        *STUDY["evaluation"]["searches"],
    ]
    pareto = [
        name for name in searches if entry("searches", name)["searcher"] == "nsga2"
    ]
    return [*pareto, *searches][0]


def ranking_rows():
    keys = ("task", "dataset", "proxy", "trained_on", "proxy_objective")
    keys = (*keys, "accuracy_floor_percent", "accuracies", "proxy_table")
    rows = [{key: row[key] for key in keys} for row in explorer_rows()]
    return list({(row["task"], row["proxy"]): row for row in rows}.values())


def devices_compared():
    """Return the device tables, and the searches whose fronts are lent to other devices."""
    searches = [
        row
        for device in STUDY["devices"]
        for row in evaluated_rows(device)
        if row["search"] == first_search()
    ]
    keys = ("device", "task", "dataset", "metrics")
    tables = {
        (row["device"], row["task"]): {key: row[key] for key in keys}
        for row in searches
    }
    return {"tables": list(tables.values()), "searches": searches}


def decision_rows(device):
    """Return every search of a device, those that are shown first by first_search()."""
    labelled = ("space", "proxy_label", "search_label")
    keys = (*JUDGED, *JUDGED_FILES, *labelled, "accuracy_floor_percent")
    rows = evaluated_rows(device, keys)
    return [row for row in rows if row["search"] == first_search()] + [
        row for row in rows if row["search"] != first_search()
    ]


def searches_in_words(device):
    """Return (task, proxy, search) of the fronts that are put into words."""
    return [
        (row["task"], row["proxy"], row["search"])
        for row in decision_rows(device)
        if row["search"] == first_search()
        and row["proxy"] in (entry("tasks", row["task"])["proxies"] or [row["proxy"]])
    ]


EVALUATED = [device for device in STUDY["devices"] if evaluated_rows(device)]
TABLED = [device for device in STUDY["devices"] if table_rows(device)]
JUDGEMENTS = [
    *expand("results/evaluations/{device}/indicators.csv", device=EVALUATED),
    *expand("results/decisions/{device}.csv", device=EVALUATED),
    *(["results/evaluations/ranking.csv"] if EVALUATED else []),
    *(["results/evaluations/device_correlation.csv"] if EVALUATED else []),
    *expand("results/comparison/{device}.csv", device=TABLED),
    *(["results/tables/all.csv"] if TABLED else []),
]


rule evaluation:
    input:
        lambda w: files_of(evaluated_rows(w.device)),
    output:
        indicators=report(
            "results/evaluations/{device}/indicators.csv",
            caption=captioned("indicators"),
            category=CHAPTERS["quality"],
            labels={"device": "{device}", "what": "indicators"},
        ),
        budget=report(
            "results/evaluations/{device}/budget.csv",
            caption=captioned("budget"),
            category=CHAPTERS["quality"],
            labels={"device": "{device}", "what": "error budget"},
        ),
        statistics=report(
            "results/evaluations/{device}/statistics.csv",
            caption=captioned("statistics"),
            category=CHAPTERS["quality"],
            labels={"device": "{device}", "what": "searchers compared"},
        ),
        convergence="results/evaluations/{device}/convergence.parquet",
        attainment="results/evaluations/{device}/attainment.parquet",
        facts=report(
            "results/evaluations/{device}/evaluation.json",
            caption=captioned("facts"),
            category=CHAPTERS["provenance"],
            labels={"of": "evaluation", "device": "{device}"},
        ),
    log:
        "logs/evaluation/{device}.log",
    params:
        cfg=lambda w: {
            "revision": REVISIONS["evaluation"],
            "rows": evaluated_rows(w.device),
        },
    script:
        "../workflow_scripts/evaluation.py"


rule ranking:
    input:
        files_of(ranking_rows(), keys=("accuracies", "proxy_table")),
    output:
        table=report(
            "results/evaluations/ranking.csv",
            caption=captioned("ranking"),
            category=CHAPTERS["quality"],
            labels={"device": "all", "what": "ranking of the proxies"},
        ),
        facts=report(
            "results/evaluations/ranking.json",
            caption=captioned("facts"),
            category=CHAPTERS["provenance"],
            labels={"of": "ranking", "device": "all"},
        ),
    log:
        "logs/ranking.log",
    params:
        cfg={"revision": REVISIONS["ranking"], "rows": ranking_rows()},
    script:
        "../workflow_scripts/ranking.py"


rule devices_compared:
    input:
        files_of(devices_compared()["searches"]),
    output:
        correlation=report(
            "results/evaluations/device_correlation.csv",
            caption=captioned("devices_compared"),
            category=CHAPTERS["quality"],
            labels={"device": "all", "what": "agreement of devices"},
        ),
        transfer=report(
            "results/evaluations/transfer_between_devices.csv",
            caption=captioned("devices_compared"),
            category=CHAPTERS["quality"],
            labels={"device": "all", "what": "fronts on other devices"},
        ),
        facts=report(
            "results/evaluations/devices_compared.json",
            caption=captioned("facts"),
            category=CHAPTERS["provenance"],
            labels={"of": "devices compared", "device": "all"},
        ),
    log:
        "logs/devices_compared.log",
    params:
        cfg={"revision": REVISIONS["devices_compared"], **devices_compared()},
    script:
        "../workflow_scripts/devices_compared.py"


rule decisions:
    input:
        lambda w: files_of(decision_rows(w.device)),
    output:
        csv=report(
            "results/decisions/{device}.csv",
            caption=captioned("decisions"),
            category=CHAPTERS["take"],
            labels={"device": "{device}", "what": "all fronts"},
        ),
        md=report(
            "results/decisions/{device}.md",
            caption=captioned("decisions"),
            category=CHAPTERS["take"],
            labels={"device": "{device}", "what": "in words"},
        ),
        facts=report(
            "results/decisions/{device}.json",
            caption=captioned("facts"),
            category=CHAPTERS["provenance"],
            labels={"of": "decisions", "device": "{device}"},
        ),
    log:
        "logs/decisions/{device}.log",
    params:
        cfg=lambda w: {
            "revision": REVISIONS["decisions"],
            "rows": decision_rows(w.device),
            "in_words": searches_in_words(w.device),
        },
    script:
        "../workflow_scripts/decisions.py"


rule comparison:
    input:
        table="results/tables/{device}.csv",
        published=str(REPOSITORY / "resources" / "thesis_tables.csv"),
    output:
        csv=report(
            "results/comparison/{device}.csv",
            caption=captioned("comparison"),
            category=CHAPTERS["found"],
            labels={"device": "{device}", "what": "beside the published table"},
        ),
        md="results/comparison/{device}.md",
        facts=report(
            "results/comparison/{device}.json",
            caption=captioned("facts"),
            category=CHAPTERS["provenance"],
            labels={"of": "comparison", "device": "{device}"},
        ),
    log:
        "logs/comparison/{device}.log",
    params:
        cfg=lambda w: {
            "revision": REVISIONS["comparison"],
            "device": w.device,
            "published_device": entry("devices", w.device).get("device", w.device),
            "datasets": {name: of["kind"] for name, of in STUDY["datasets"].items()},
        },
    script:
        "../workflow_scripts/comparison.py"


ruleorder: all_tables > table


rule all_tables:
    input:
        expand("results/tables/{device}.csv", device=TABLED),
    output:
        table=report(
            "results/tables/all.csv",
            caption=captioned("all_tables"),
            category=CHAPTERS["found"],
            labels={"device": "all", "what": "all methods"},
        ),
        facts=report(
            "results/tables/all.json",
            caption=captioned("facts"),
            category=CHAPTERS["provenance"],
            labels={"of": "all tables", "device": "all"},
        ),
    log:
        "logs/all_tables.log",
    params:
        cfg={"revision": REVISIONS["all_tables"], "devices": TABLED},
    script:
        "../workflow_scripts/all_tables.py"
