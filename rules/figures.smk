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
        fronts_pdf="results/figures/fronts/{device}/{task}.pdf",
        fronts_svg=shown("results/figures/fronts/{device}/{task}.svg", "fronts"),
        fronts_png="results/figures/fronts/{device}/{task}.png",
        fronts_data="results/figures/fronts/{device}/{task}.parquet",
        proxy_and_true_pdf="results/figures/proxy_and_true/{device}/{task}.pdf",
        proxy_and_true_svg=shown(
            "results/figures/proxy_and_true/{device}/{task}.svg", "proxy_and_true"
        ),
        proxy_and_true_png="results/figures/proxy_and_true/{device}/{task}.png",
        proxy_and_true_data="results/figures/proxy_and_true/{device}/{task}.parquet",
        generations_pdf="results/figures/generations/{device}/{task}.pdf",
        generations_svg=shown("results/figures/generations/{device}/{task}.svg", "generations"),
        generations_png="results/figures/generations/{device}/{task}.png",
        generations_data="results/figures/generations/{device}/{task}.parquet",
        convergence_pdf="results/figures/convergence/{device}/{task}.pdf",
        convergence_svg=shown("results/figures/convergence/{device}/{task}.svg", "convergence"),
        convergence_png="results/figures/convergence/{device}/{task}.png",
        convergence_data="results/figures/convergence/{device}/{task}.parquet",
        peeling_pdf="results/figures/peeling/{device}/{task}.pdf",
        peeling_svg=shown("results/figures/peeling/{device}/{task}.svg", "layers"),
        peeling_png="results/figures/peeling/{device}/{task}.png",
        peeling_data="results/figures/peeling/{device}/{task}.parquet",
        generations_gif=shown("results/figures/generations/{device}/{task}.gif", "animation"),
        facts="results/figures/fronts/{device}/{task}.json",
    log:
        "logs/figures/{device}/{task}.log",
    conda:
        "../envs/hanas.yaml"
    params:
        cfg=cfg(graph.figures),
    script:
        "../workflow_scripts/figures.py"
