"""Judgement: how good every found front is, what to take, and how it compares.

Writes  results/evaluations/{device}/indicators.csv        a search and seed a row
        results/evaluations/{device}/budget.csv            what ranking and what searching lost
        results/evaluations/{device}/statistics.csv        searchers compared over their seeds
        results/evaluations/{device}/convergence.parquet   quality over evaluations
        results/evaluations/{device}/attainment.parquet    what one, half and all seeds attain
        results/evaluations/{device}/peeling.csv           what training layer after layer brings
        results/evaluations/{device}/trained_fronts.csv    the fronts of what was trained so
        results/evaluations/ranking.csv                    how well each proxy ranks
        results/evaluations/device_correlation.csv         how far devices agree
        results/evaluations/transfer_between_devices.csv   what a borrowed front loses
        results/decisions/{device}.csv, .md                what to take, also for `hanas pick`
        results/comparison/{device}.csv, .md               ours beside the published table
        results/tables/all.csv                             all devices' tables in one
and beside each the .json of how it was made.
"""

# What explorer_rows() says of searches and proxies is judged too, and labels change no judgement.
DECIDED = [device for device in STUDY["devices"] if decision_rows(device)]
EVALUATED = [device for device in STUDY["devices"] if evaluated_rows(device)]
TABLED = [device for device in STUDY["devices"] if table_rows(device)]
JUDGEMENTS = [
    *expand("results/evaluations/{device}/indicators.csv", device=EVALUATED),
    *expand(
        "results/evaluations/{device}/{what}.csv",
        device=EVALUATED,
        what=["peeling", "trained_fronts"],
    ),
    *expand("results/decisions/{device}.csv", device=DECIDED),
    *(["results/evaluations/ranking.csv"] if EVALUATED else []),
    *(["results/evaluations/device_correlation.csv"] if EVALUATED else []),
    *expand("results/comparison/{device}.csv", device=TABLED),
    *(["results/tables/all.csv"] if TABLED else []),
]


rule evaluation:
    input:
        lambda w: files_of(judged_rows(w.device)),
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
    conda:
        "../envs/hanas.yaml"
    params:
        cfg=lambda w: {
            "revision": REVISIONS["evaluation"],
            "rows": judged_rows(w.device),
        },
    script:
        "../workflow_scripts/evaluation.py"


rule peeling:
    input:
        lambda w: files_of(judged_rows(w.device)),
    output:
        layers=report(
            "results/evaluations/{device}/peeling.csv",
            caption=captioned("peeling"),
            category=CHAPTERS["quality"],
            labels={"device": "{device}", "what": "layers trained"},
        ),
        facts=report(
            "results/evaluations/{device}/peeling.json",
            caption=captioned("facts"),
            category=CHAPTERS["provenance"],
            labels={"of": "layers trained", "device": "{device}"},
        ),
    log:
        "logs/peeling/{device}.log",
    conda:
        "../envs/hanas.yaml"
    params:
        cfg=lambda w: {
            "revision": REVISIONS["peeling"],
            "rows": judged_rows(w.device),
            "peeling": STUDY["evaluation"]["peeling"],
        },
    script:
        "../workflow_scripts/peeling.py"


rule trained_fronts:
    input:
        lambda w: files_of(labelled_rows(w.device), keys=DECIDED_FILES),
    output:
        table=report(
            "results/evaluations/{device}/trained_fronts.csv",
            caption=captioned("trained_fronts"),
            category=CHAPTERS["take"],
            labels={"device": "{device}", "what": "trained fronts"},
        ),
        facts=report(
            "results/evaluations/{device}/trained_fronts.json",
            caption=captioned("facts"),
            category=CHAPTERS["provenance"],
            labels={"of": "trained fronts", "device": "{device}"},
        ),
    log:
        "logs/trained_fronts/{device}.log",
    conda:
        "../envs/hanas.yaml"
    params:
        cfg=lambda w: {
            "revision": REVISIONS["trained_fronts"],
            "rows": labelled_rows(w.device),
            "peeling": STUDY["evaluation"]["peeling"],
        },
    script:
        "../workflow_scripts/trained_fronts.py"


rule ranking:
    input:
        lambda w: files_of(ranking_rows(), keys=RANKED_FILES),
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
    conda:
        "../envs/hanas.yaml"
    params:
        cfg=lambda w: {"revision": REVISIONS["ranking"], "rows": ranking_rows()},
    script:
        "../workflow_scripts/ranking.py"


rule devices_compared:
    input:
        lambda w: files_of(devices_compared()["searches"]),
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
    conda:
        "../envs/hanas.yaml"
    params:
        cfg=lambda w: {"revision": REVISIONS["devices_compared"], **devices_compared()},
    script:
        "../workflow_scripts/devices_compared.py"


rule decisions:
    input:
        lambda w: files_of(decided_rows(w.device), keys=DECIDED_FILES),
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
            labels={"device": "{device}", "what": "advice, in words"},
        ),
        facts=report(
            "results/decisions/{device}.json",
            caption=captioned("facts"),
            category=CHAPTERS["provenance"],
            labels={"of": "decisions", "device": "{device}"},
        ),
    log:
        "logs/decisions/{device}.log",
    conda:
        "../envs/hanas.yaml"
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
        published=shipped("thesis_tables.csv"),
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
    conda:
        "../envs/hanas.yaml"
    params:
        cfg=lambda w: {
            "revision": REVISIONS["comparison"],
            "device": w.device,
            "published_device": entry("devices", w.device).get("device", w.device),
            "datasets": {name: of["kind"] for name, of in STUDY["datasets"].items()},
        },
    script:
        "../workflow_scripts/comparison.py"


rule all_tables:
    input:
        lambda w: require_judged(
            expand("results/tables/{device}.csv", device=TABLED), "on any device"
        ),
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
    conda:
        "../envs/hanas.yaml"
    params:
        cfg={"revision": REVISIONS["all_tables"], "devices": TABLED},
    script:
        "../workflow_scripts/all_tables.py"
