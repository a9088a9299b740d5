"""Measuring on a device of one's own.

Writes  results/measurements/{device}/{space}/{dataset}.parquet        every measured model
        results/measurements/{device}/{space}/{dataset}.predictor.npz  predicts all others
        results/measurements/{device}/{space}/{dataset}.quality.csv    how well it does
        results/measured_fronts/{task}/{device}/{proxy}/{search}.*     a found front, measured
and beside each the .json of how it was made. Every measurement is kept at once in
results/measurements/{device}/kept/, so that nothing is measured twice; `hanas forget` removes it.

A device is measured by one job at a time (resource `measuring`), and the machine that runs the workflow
by a job that has it alone.
"""


rule measure:
    input:
        unpack(inputs(graph.measure)),
    output:
        measured="results/measurements/{device}/{space}/{dataset}.parquet",
        predictor="results/measurements/{device}/{space}/{dataset}.predictor.npz",
        quality=shown(
            "results/measurements/{device}/{space}/{dataset}.quality.csv", "predictor_quality"
        ),
        facts=shown("results/measurements/{device}/{space}/{dataset}.json", "facts"),
    log:
        "logs/measure/{device}/{space}/{dataset}.log",
    # Before any training: a device that does not answer is known at once, and cores do not wait idle
    # behind a long training for the moment that all are free.
    priority: 1
    conda:
        ENVIRONMENT
    threads: cores(graph.measure)
    resources:
        measuring=1,
        # Not a parameter: where the files lie does not change what is in them.
        data_folder=str(graph.data),
    params:
        cfg=cfg(graph.measure),
    script:
        "../workflow_scripts/measure.py"


rule measured_front:
    input:
        unpack(inputs(graph.measured_front)),
    output:
        **drawn("results/measured_fronts/{task}/{device}/{proxy}/{search}", "measured_front"),
        csv="results/measured_fronts/{task}/{device}/{proxy}/{search}.csv",
        facts=shown("results/measured_fronts/{task}/{device}/{proxy}/{search}.json", "facts"),
    log:
        "logs/measured_front/{task}/{device}/{proxy}/{search}.log",
    conda:
        ENVIRONMENT
    threads: cores(graph.measured_front)
    resources:
        measuring=1,
    params:
        cfg=cfg(graph.measured_front),
    script:
        "../workflow_scripts/measured_front.py"
