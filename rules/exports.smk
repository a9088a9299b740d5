"""Models to deploy.

Writes  results/exports/{retraining}/models/{number}/      ONNX files, float32 and INT8
        results/exports/{retraining}/accuracies.csv        accuracy of both, a model a row
        results/exports/{retraining}/latency/{device}.csv  measured latency of the models
        results/models/{retraining}/{number}/              model.onnx, model.int8.onnx, model.json
        results/models/{retraining}.csv                    all of it, a model and device a row
        results/figures/front_spaces.*                     error against latency of several
        results/exports/{retraining}/rknn/{device}.*       what a Rockchip NPU makes of them; on demand
and the .json of how each was made.
"""

FRONT_SPACES = ["results/figures/front_spaces.pdf"] * (
    "front_spaces" in STUDY["figures"]
)


rule export:
    input:
        weights=rules.retrain.output.weights,
        metrics=rules.retrain.output.metrics,
        images=lambda w: f"results/datasets/{entry('tasks', entry('retrainings', w.retraining)['task'])['dataset']}.pt",
    output:
        models=directory("results/exports/{retraining}/models"),
        accuracies="results/exports/{retraining}/accuracies.csv",
        facts="results/exports/{retraining}/accuracies.json",
    log:
        "logs/export/{retraining}.log",
    conda:
        "../envs/hanas.yaml"
    params:
        cfg=export_settings,
    script:
        "../workflow_scripts/export.py"


rule measure_models:
    input:
        models=rules.export.output.models,
        accuracies=rules.export.output.accuracies,
        images=rules.export.input.images,
    output:
        measured="results/exports/{retraining}/latency/{device}.csv",
        facts="results/exports/{retraining}/latency/{device}.json",
    log:
        "logs/measure_models/{retraining}/{device}.log",
    conda:
        "../envs/hanas.yaml"
    threads: lambda w: measuring_threads(w.device)
    resources:
        measuring=1,
    params:
        cfg=measured_models_settings,
    script:
        "../workflow_scripts/measure_models.py"


rule model_cards:
    input:
        models=rules.export.output.models,
        accuracies=rules.export.output.accuracies,
        images=rules.export.input.images,
        latencies=lambda w: list(model_latencies(w.retraining).values()),
    output:
        models=directory("results/models/{retraining}"),
        table=report(
            "results/models/{retraining}.csv",
            caption=captioned("models"),
            category=CHAPTERS["take"],
            labels={"device": "{retraining}", "what": "trained models"},
        ),
        facts=report(
            "results/models/{retraining}.json",
            caption=captioned("facts"),
            category=CHAPTERS["provenance"],
            labels={"of": "trained models", "device": "{retraining}"},
        ),
    log:
        "logs/model_cards/{retraining}.log",
    conda:
        "../envs/hanas.yaml"
    params:
        cfg=model_card_settings,
    script:
        "../workflow_scripts/model_cards.py"


rule rknn_report:
    input:
        models=rules.export.output.models,
        accuracies=rules.export.output.accuracies,
        images=rules.export.input.images,
    output:
        accuracies="results/exports/{retraining}/rknn/{device}.csv",
        fallbacks="results/exports/{retraining}/rknn/{device}.fallbacks.csv",
        facts="results/exports/{retraining}/rknn/{device}.json",
    log:
        "logs/rknn_report/{retraining}/{device}.log",
    conda:
        "../envs/hanas.yaml"
    params:
        cfg=rknn_report_settings,
    script:
        "../workflow_scripts/rknn_report.py"


rule figure_front_spaces:
    input:
        front_spaces_files,
    output:
        pdf="results/figures/front_spaces.pdf",
        svg=report(
            "results/figures/front_spaces.svg",
            caption=captioned("front_spaces"),
            category=CHAPTERS["found"],
            labels={"device": "all", "what": "spaces compared"},
        ),
        png="results/figures/front_spaces.png",
        data="results/figures/front_spaces.parquet",
        facts="results/figures/front_spaces.json",
    log:
        "logs/figures/front_spaces.log",
    conda:
        "../envs/hanas.yaml"
    params:
        cfg=front_spaces_settings(),
    script:
        "../workflow_scripts/figure_front_spaces.py"
