"""What the rules of measuring and of exported models read and the settings they depend on."""

# ---- measuring -----------------------------------------------------------------------


def measured_settings(device, space):
    """Return how a device is measured, with the network of a space."""
    without = ("objectives", "tasks", "networks", "campaign", "simulated_images")
    found = settings("measuring", "devices", device, without=without)
    # Of the kinds that quantise nothing, none has this.
    if found.get("precision") != "int8":
        found.pop("per_channel", None)
    return {**found, "network": entry("devices", device, "networks")[space]}


def measuring_threads(device):
    """Return how many cores a job takes that measures: all, if it measures this machine."""
    return 64 if entry("devices", device)["kind"] == "host" else 1


def campaign_settings(wildcards):
    if not study_checks.is_measured(entry("devices", wildcards.device)):
        raise WorkflowError(
            f"devices.{wildcards.device} is of kind {entry('devices', wildcards.device)['kind']}, "
            "which is not measured"
        )
    measured = measured_settings(wildcards.device, wildcards.space)
    return {**measured, "campaign": entry("devices", wildcards.device, "campaign")}


def measured_front_settings(wildcards):
    task = entry("tasks", wildcards.task)
    return {
        **measured_settings(wildcards.device, task["space"]),
        "space": task["space"],
        "proxy_label": proxy_label(wildcards.proxy),
        "search_label": search_label(wildcards.search),
    }


def measured_front_inputs(wildcards):
    task = entry("tasks", wildcards.task)
    where = f"{wildcards.device}/{task['space']}/{task['dataset']}"
    return {
        "history": searched_front(**wildcards),
        "predictor": f"results/measurements/{where}.predictor.npz",
        "images": f"results/datasets/{task['dataset']}.pt",
    }


def searches_of_measured_devices():
    """Return (task, device, proxy, search) of the fronts that are measured for real."""
    return [
        (name, device, proxy, first_search())
        for device, found in STUDY["devices"].items()
        if study_checks.is_measured(found)
        for name in found.get("tasks", STUDY["tasks"])
        for proxy in STUDY["tasks"][name]["proxies"]
    ]


# ---- exported models -----------------------------------------------------------------


def export_settings(wildcards):
    found = entry("retrainings", wildcards.retraining)
    return {
        "revision": REVISIONS["export"],
        "space": entry("tasks", found["task"])["space"],
        **{key: found[key] for key in ("network", "training", "quantisation")},
    }


def measured_models_settings(wildcards):
    space = entry("tasks", entry("retrainings", wildcards.retraining)["task"])["space"]
    return measured_settings(wildcards.device, space)


def rknn_report_settings(wildcards):
    if entry("devices", wildcards.device)["kind"] != "rknn":
        raise WorkflowError(
            f"devices.{wildcards.device} is of kind {entry('devices', wildcards.device)['kind']}; only kind "
            "rknn has such a report"
        )
    found = entry("retrainings", wildcards.retraining)
    return {
        **measured_models_settings(wildcards),
        "resolution": found["training"]["resolution"],
        "calibration_images": found["quantisation"]["calibration_images"],
        "simulated_images": entry("devices", wildcards.device, "simulated_images"),
    }


def model_latencies(retraining):
    """Return the tables of latencies of the models of a retraining, by device."""
    found = entry("retrainings", retraining)
    measured = study_checks.measured_on(STUDY, retraining)
    tables = {
        device: f"results/exports/{retraining}/latency/{device}.csv"
        for device in measured
    }
    if "device" in found and found["device"] not in measured:
        task = entry("tasks", found["task"])
        where = f"{found['device']}/{task['space']}/{task['dataset']}"
        tables[found["device"]] = f"results/devices/{where}.parquet"
    return tables


def model_card_settings(wildcards):
    found = entry("retrainings", wildcards.retraining)
    task = entry("tasks", found["task"])
    return {
        "revision": REVISIONS["models"],
        "retraining": wildcards.retraining,
        "task": found["task"],
        "dataset": task["dataset"],
        "space": task["space"],
        **{key: found[key] for key in ("network", "training", "images", "seed")},
        "latencies": model_latencies(wildcards.retraining),
    }


def front_spaces_settings():
    shown = STUDY["figures"].get("front_spaces", {})
    return {
        "revision": REVISIONS["figure_front_spaces"],
        "device": shown.get("device"),
        "models": [
            {
                "label": label,
                "file": f"results/models/{name}.csv",
                "published": "published" in STUDY["retrainings"][name],
            }
            for label, name in shown.get("retrainings", {}).items()
        ],
    }


def front_spaces_files(wildcards):
    if "front_spaces" not in STUDY["figures"]:
        raise WorkflowError(
            f"{STUDY_NAME}: figures.front_spaces says nothing to draw; see config/rk3588.yaml"
        )
    return [row["file"] for row in front_spaces_settings()["models"]]
