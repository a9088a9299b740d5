"""Figures of what was found, each as PDF, SVG and PNG, with the plotted table beside.

Writes  results/figures/fronts/{device}/{task}.*           the found front among the true one
        results/figures/proxy_and_true/{device}/{task}.*   what was believed and what is true
        results/figures/generations/{device}/{task}.*      how the search moves; .gif: animated
        results/figures/convergence/{device}/{task}.*      how soon it comes how close
        results/figures/peeling/{device}/{task}.*          what training more layers brings

Every {task}.json says how its figure was made.
"""

SHOWN = dict.fromkeys((row["device"], row["task"]) for row in explorer_rows())
FIGURES = [
    f"results/figures/{figure}/{device}/{task}.svg"
    for figure in ("fronts", "proxy_and_true", "generations", "convergence", "peeling")
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


rule figure_generations:
    input:
        figure_files(generations_settings),
    output:
        pdf="results/figures/generations/{device}/{task}.pdf",
        svg=report(
            "results/figures/generations/{device}/{task}.svg",
            caption=captioned("generations"),
            category=CHAPTERS["fronts"],
            labels={"device": "{device}", "task": "{task}", "what": "generations"},
        ),
        png="results/figures/generations/{device}/{task}.png",
        gif=report(
            "results/figures/generations/{device}/{task}.gif",
            caption=captioned("generations"),
            category=CHAPTERS["fronts"],
            labels={
                "device": "{device}",
                "task": "{task}",
                "what": "generations, animated",
            },
        ),
        data="results/figures/generations/{device}/{task}.parquet",
        facts="results/figures/generations/{device}/{task}.json",
    log:
        "logs/figures/generations/{device}/{task}.log",
    conda:
        "../envs/hanas.yaml"
    params:
        cfg=generations_settings,
    script:
        "../workflow_scripts/figure_generations.py"


rule figure_convergence:
    input:
        convergence=rules.evaluation.output.convergence,
        budget=rules.evaluation.output.budget,
    output:
        pdf="results/figures/convergence/{device}/{task}.pdf",
        svg=report(
            "results/figures/convergence/{device}/{task}.svg",
            caption=captioned("convergence"),
            category=CHAPTERS["quality"],
            labels={"device": "{device}", "what": "convergence, {task}"},
        ),
        png="results/figures/convergence/{device}/{task}.png",
        data="results/figures/convergence/{device}/{task}.parquet",
        facts="results/figures/convergence/{device}/{task}.json",
    log:
        "logs/figures/convergence/{device}/{task}.log",
    conda:
        "../envs/hanas.yaml"
    params:
        cfg=convergence_settings,
    script:
        "../workflow_scripts/figure_convergence.py"


rule figure_peeling:
    input:
        layers=rules.peeling.output.layers,
    output:
        pdf="results/figures/peeling/{device}/{task}.pdf",
        svg=report(
            "results/figures/peeling/{device}/{task}.svg",
            caption=captioned("peeling"),
            category=CHAPTERS["quality"],
            labels={"device": "{device}", "what": "layers trained, {task}"},
        ),
        png="results/figures/peeling/{device}/{task}.png",
        data="results/figures/peeling/{device}/{task}.parquet",
        facts="results/figures/peeling/{device}/{task}.json",
    log:
        "logs/figures/peeling/{device}/{task}.log",
    conda:
        "../envs/hanas.yaml"
    params:
        cfg=peeling_figure_settings,
    script:
        "../workflow_scripts/figure_peeling.py"
