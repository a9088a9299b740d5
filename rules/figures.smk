"""Figures of what was found, each as PDF, SVG and PNG, with the plotted table beside.

Writes  results/figures/fronts/{device}/{task}.*           the found front among the true one
        results/figures/proxy_and_true/{device}/{task}.*   what was believed and what is true

Every {task}.json says how its figure was made.
"""

SHOWN = dict.fromkeys((row["device"], row["task"]) for row in explorer_rows())
FIGURES = [
    f"results/figures/{figure}/{device}/{task}.svg"
    for figure in ("fronts", "proxy_and_true")
    for device, task in SHOWN
]


rule figure_fronts:
    input:
        figure_files(fronts_settings),
    output:
        pdf="results/figures/fronts/{device}/{task}.pdf",
        svg=report(
            "results/figures/fronts/{device}/{task}.svg",
            caption=captioned("fronts"),
            category=CHAPTERS["fronts"],
            labels={"device": "{device}", "task": "{task}", "what": "found and true"},
        ),
        png="results/figures/fronts/{device}/{task}.png",
        data="results/figures/fronts/{device}/{task}.parquet",
        facts="results/figures/fronts/{device}/{task}.json",
    log:
        "logs/figures/fronts/{device}/{task}.log",
    conda:
        "../envs/hanas.yaml"
    params:
        cfg=fronts_settings,
    script:
        "../workflow_scripts/figure_fronts.py"


rule figure_proxy_and_true:
    input:
        figure_files(proxy_and_true_settings),
    output:
        pdf="results/figures/proxy_and_true/{device}/{task}.pdf",
        svg=report(
            "results/figures/proxy_and_true/{device}/{task}.svg",
            caption=captioned("proxy_and_true"),
            category=CHAPTERS["fronts"],
            labels={
                "device": "{device}",
                "task": "{task}",
                "what": "believed and true",
            },
        ),
        png="results/figures/proxy_and_true/{device}/{task}.png",
        data="results/figures/proxy_and_true/{device}/{task}.parquet",
        facts="results/figures/proxy_and_true/{device}/{task}.json",
    log:
        "logs/figures/proxy_and_true/{device}/{task}.log",
    conda:
        "../envs/hanas.yaml"
    params:
        cfg=proxy_and_true_settings,
    script:
        "../workflow_scripts/figure_proxy_and_true.py"
