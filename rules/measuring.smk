"""Measuring on a device of one's own.

Writes  results/measurements/{device}/{space}/{dataset}.parquet        every measured model
        results/measurements/{device}/{space}/{dataset}.predictor.npz  predicts all others
        results/measurements/{device}/{space}/{dataset}.quality.csv    how well it does
        results/measured_fronts/{task}/{device}/{proxy}/{search}.*     a found front, measured
and beside each the .json of how it was made. Every measurement is kept at once in
results/measurements/{device}/kept/, so that nothing is measured twice.

A device is measured by one job at a time (resource `measuring`), and the machine that runs the workflow
by a job that has it alone.
"""

MEASURED_FRONTS = [
    f"results/measured_fronts/{task}/{device}/{proxy}/{search}.svg"
    for task, device, proxy, search in searches_of_measured_devices()
]


rule measure:
    input:
        images="results/datasets/{dataset}.pt",
    output:
        measured="results/measurements/{device}/{space}/{dataset}.parquet",
        predictor="results/measurements/{device}/{space}/{dataset}.predictor.npz",
        quality=report(
            "results/measurements/{device}/{space}/{dataset}.quality.csv",
            caption=captioned("predictor_quality"),
            category=CHAPTERS["quality"],
            labels={"device": "{device}", "what": "predictor, {space}, {dataset}"},
        ),
        facts=report(
            "results/measurements/{device}/{space}/{dataset}.json",
            caption=captioned("facts"),
            category=CHAPTERS["provenance"],
            labels={"of": "measurements, {space}, {dataset}", "device": "{device}"},
        ),
    log:
        "logs/measure/{device}/{space}/{dataset}.log",
    conda:
        "../envs/hanas.yaml"
    threads: lambda w: measuring_threads(w.device)
    resources:
        measuring=1,
    params:
        cfg=campaign_settings,
    script:
        "../workflow_scripts/measure.py"


rule measured_front:
    input:
        unpack(measured_front_inputs),
    output:
        csv="results/measured_fronts/{task}/{device}/{proxy}/{search}.csv",
        pdf="results/measured_fronts/{task}/{device}/{proxy}/{search}.pdf",
        svg=report(
            "results/measured_fronts/{task}/{device}/{proxy}/{search}.svg",
            caption=captioned("measured_front"),
            category=CHAPTERS["fronts"],
            labels={
                "device": "{device}",
                "task": "{task}",
                "what": "predicted and measured",
            },
        ),
        png="results/measured_fronts/{task}/{device}/{proxy}/{search}.png",
        facts=report(
            "results/measured_fronts/{task}/{device}/{proxy}/{search}.json",
            caption=captioned("facts"),
            category=CHAPTERS["provenance"],
            labels={"of": "measured front, {task}", "device": "{device}"},
        ),
    log:
        "logs/measured_front/{task}/{device}/{proxy}/{search}.log",
    conda:
        "../envs/hanas.yaml"
    threads: lambda w: measuring_threads(w.device)
    resources:
        measuring=1,
    params:
        cfg=measured_front_settings,
    script:
        "../workflow_scripts/measured_front.py"
