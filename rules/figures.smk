"""Figures of what was found, each as PDF, SVG and PNG, with the plotted table beside.

Writes  results/figures/fronts/{device}/{task}.*   the found front among the true one

Every {task}.json says how its figure was made.
"""

SHOWN = dict.fromkeys((row["device"], row["task"]) for row in explorer_rows())
FIGURES = [
    f"results/figures/{figure}/{device}/{task}.svg"
    for figure in ("fronts",)
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
