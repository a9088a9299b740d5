"""Figures of what was found, each as PDF, SVG and PNG, with the plotted table beside.

Writes  results/figures/fronts/{device}/{task}.*           the found front among the true one
        results/figures/proxy_and_true/{device}/{task}.*   what was believed and what is true
        results/figures/generations/{device}/{task}.*      how the search moves; .gif: animated
        results/figures/convergence/{device}/{task}.*      how soon it comes how close
        results/figures/peeling/{device}/{task}.*          what training more layers brings
        results/figures/fronts/{device}/{task}.json        how they were made
"""


rule figures:
    input:
        unpack(inputs(graph.figures)),
    output:
        **drawn("results/figures/fronts/{device}/{task}", "fronts", "fronts_"),
        **drawn(
            "results/figures/proxy_and_true/{device}/{task}", "proxy_and_true", "proxy_and_true_"
        ),
        **drawn("results/figures/generations/{device}/{task}", "generations", "generations_"),
        **drawn("results/figures/convergence/{device}/{task}", "convergence", "convergence_"),
        **drawn("results/figures/peeling/{device}/{task}", "layers", "peeling_"),
        fronts_data="results/figures/fronts/{device}/{task}.parquet",
        proxy_and_true_data="results/figures/proxy_and_true/{device}/{task}.parquet",
        generations_data="results/figures/generations/{device}/{task}.parquet",
        convergence_data="results/figures/convergence/{device}/{task}.parquet",
        peeling_data="results/figures/peeling/{device}/{task}.parquet",
        generations_gif=shown("results/figures/generations/{device}/{task}.gif", "animation"),
        facts="results/figures/fronts/{device}/{task}.json",
    log:
        "logs/figures/{device}/{task}.log",
    conda:
        ENVIRONMENT
    params:
        cfg=cfg(graph.figures),
    script:
        "../workflow_scripts/figures.py"
