"""What the rules of each stage read and the settings they depend on, as functions of wildcards."""

# ---- datasets ------------------------------------------------------------------------


def folder_state(wildcards):
    """Return a digest of the names, sizes and times in a folder of the user's own images."""
    folder = entry("datasets", wildcards.dataset).get("folder")
    if folder is None:
        return {}
    root = Path(data_file(folder))
    states = [
        (str(path.relative_to(root)), path.stat().st_size, path.stat().st_mtime_ns)
        for path in sorted(root.rglob("*"))
        if path.is_file()
    ]
    return {"folder_state": files.digest(states)}


# ---- benchmarks ----------------------------------------------------------------------


def benchmark_files(wildcards):
    found = entry("benchmarks", wildcards.space, wildcards.dataset)
    if found["kind"] == "nats_bench":
        return {"cells": "results/benchmarks/nats_bench.parquet"}
    return {"file": local(data_file(found["file"]))} if "file" in found else {}


def with_bundle(cfg):
    """Add the checksum of the shipped surrogates where they are used: they come with the code."""
    if cfg["kind"] == "surrogate" and "file" not in cfg:
        bundle = REPOSITORY / "resources" / "surrogates" / "nb201.npz"
        return {**cfg, "bundle_sha256": files.checksum(bundle)}
    return cfg


def nats_bench_folder(wildcards):
    # Of one folder: see hanas.study.study.
    folders = [
        found["folder"]
        for of_space in entry("benchmarks").values()
        for found in of_space.values()
        if found["kind"] == "nats_bench"
    ]
    if not folders:
        raise WorkflowError(f"{STUDY_NAME}: benchmarks has no entry of kind nats_bench")
    return local(data_file(folders[0]))


# ---- devices -------------------------------------------------------------------------


def device_files(wildcards):
    found = entry("devices", wildcards.device)
    if study_checks.is_measured(found):
        where = f"results/measurements/{wildcards.device}/{wildcards.space}/{wildcards.dataset}"
        return {"predictor": f"{where}.predictor.npz"}
    if found["kind"] == "table":
        found = entry("devices", wildcards.device, "datasets", wildcards.dataset)
    return {"files": [local(data_file(found["file"]))]} if "file" in found else {}


def device_settings(wildcards):
    # What a measured device depends on shows in its predictor.
    if study_checks.is_measured(entry("devices", wildcards.device)):
        return {"revision": REVISIONS["device_table"]}
    without = ("objectives", "tasks")
    return with_bundle(
        settings("device_table", "devices", wildcards.device, without=without)
    )


# ---- surrogates ----------------------------------------------------------------------


def fitted_tables(wildcards):
    datasets = entry("benchmarks", wildcards.space)
    return {
        "accuracies": expand(
            rules.accuracy_table.output.table, dataset=datasets, allow_missing=True
        ),
        "devices": expand(
            rules.device_table.output.table,
            device=STUDY["devices"],
            dataset=datasets,
            allow_missing=True,
        ),
    }


# ---- proxies -------------------------------------------------------------------------


def own_dataset(proxy):
    """Return the data set that a proxy is bound to, if any: its supernet's, or that it names."""
    found = entry("proxies", proxy)
    if found["kind"] == "supernet":
        return entry("supernets", found["supernet"])["dataset"]
    return found.get("dataset")


def proxy_dataset(proxy, task):
    """Return the data set that a proxy is computed on: the one it is bound to, or the task's."""
    return own_dataset(proxy) or entry("tasks", task)["dataset"]


def proxy_inputs(wildcards):
    found, dataset = entry("proxies", wildcards.proxy), wildcards.dataset
    bound_to = own_dataset(wildcards.proxy)
    if bound_to not in (None, dataset):
        raise WorkflowError(
            f"proxies.{wildcards.proxy} is computed on {bound_to}, which it was given, not on {dataset}"
        )
    if "proxies" in found:
        tables = [
            f"results/proxies/{name}/{own_dataset(name) or dataset}.parquet"
            for name in found["proxies"]
        ]
        if found["kind"] != "learned":
            return {"tables": tables}
        space = combined_proxies.space(STUDY, wildcards.proxy)
        learns_from = found["learns_from"] or dataset
        entry("benchmarks", space, learns_from)
        return {
            "tables": tables,
            "accuracies": f"results/benchmarks/{space}/{learns_from}.parquet",
        }
    images = f"results/datasets/{dataset}.pt"
    if found["kind"] == "supernet":
        weights = f"results/supernets/{found['supernet']}/weights.pt"
        return {"weights": weights, "images": images}
    # A proxy that looks at images has this setting, null where it is bound to none.
    return {"images": images} if "dataset" in found else {}


def proxy_objective(proxy):
    """Return the column of a proxy's table that is minimised."""
    return combined_proxies.objective(STUDY, proxy)


def trained_architectures(proxy):
    """Return how many architectures are really trained, or looked up, to make a proxy."""
    return combined_proxies.trained_architectures(STUDY, proxy)


def proxy_settings(wildcards):
    # Data sets and proxies show in the inputs; the last three are of layer-wise spaces.
    without = (
        *("label", "objective", "threads"),
        *("dataset", "proxies", "learns_from"),
        *("statistics", "calibration_images", "precision"),
    )
    found = settings("proxy", "proxies", wildcards.proxy, without=without)
    found["space"] = combined_proxies.space(STUDY, wildcards.proxy)
    members = combined_proxies.members(STUDY, wildcards.proxy)
    if members:
        found["members"] = [
            {"proxy": name, "objective": proxy_objective(name)} for name in members
        ]
    if found["kind"] == "learned":
        learns_from = entry("proxies", wildcards.proxy)["learns_from"]
        found["dataset"] = learns_from or wildcards.dataset
    paid_for = trained_architectures(wildcards.proxy)
    return {**found, **({"trained_architectures": paid_for} if paid_for else {})}


# ---- searches ------------------------------------------------------------------------


def search_inputs(wildcards):
    task = entry("tasks", wildcards.task)
    dataset = proxy_dataset(wildcards.proxy, wildcards.task)
    where = f"{wildcards.device}/{task['space']}/{task['dataset']}"
    if study_checks.is_enumerable(task["space"]):
        return {
            "proxy": f"results/proxies/{wildcards.proxy}/{dataset}.parquet",
            "device": f"results/devices/{where}.parquet",
        }
    found = {"predictor": f"results/measurements/{where}.predictor.npz"}
    proxy = entry("proxies", wildcards.proxy)
    if proxy["kind"] == "supernet":
        found["weights"] = f"results/supernets/{proxy['supernet']}/weights.pt"
        found["images"] = f"results/datasets/{dataset}.pt"
    return found


def search_settings(wildcards):
    found = settings("search", "searches", wildcards.search, without=("label",))
    found["space"] = entry("tasks", wildcards.task)["space"]
    found["proxy_objective"] = proxy_objective(wildcards.proxy)
    found["device_objectives"] = entry("devices", wildcards.device).get(
        "objectives", "all"
    )
    if not study_checks.is_enumerable(found["space"]):
        without = ("label", "threads", "supernet", "objective")
        found["proxy"] = settings("proxy", "proxies", wildcards.proxy, without=without)
    return found


def search_threads(wildcards):
    """Return how many processes score architectures; where a table has the scores, none does."""
    enumerable = study_checks.is_enumerable(entry("tasks", wildcards.task)["space"])
    return 1 if enumerable else entry("proxies", wildcards.proxy).get("threads", 1)


def search_gpus(wildcards):
    enumerable = study_checks.is_enumerable(entry("tasks", wildcards.task)["space"])
    device = entry("proxies", wildcards.proxy).get("device", "cpu")
    return 0 if enumerable else gpus(device)


# ---- tables --------------------------------------------------------------------------


def device_task_names(device):
    """Return the tasks that are reported on a device, in the order of the table.

    A task whose true accuracies are not known is searched, but not judged.
    """
    known = [task for task in STUDY["tasks"] if study_checks.has_benchmark(STUDY, task)]
    shown = STUDY["tables"].get("tasks", known)
    return [
        task for task in shown if task in entry("devices", device).get("tasks", shown)
    ]


def table_rows(device):
    """Return what each row shows and the file that it is read from."""
    rows = []
    for task_name in device_task_names(device):
        task = entry("tasks", task_name)
        where = f"{task['space']}/{task['dataset']}.parquet"
        common = {
            "task": task_name,
            "dataset": task["dataset"],
            "space": task["space"],
            "accuracies": f"results/benchmarks/{where}",
            "metrics": f"results/devices/{device}/{where}",
        }
        for name in task["supernets"]:
            supernet = entry("supernets", name)
            rows.append(
                {
                    **common,
                    "method": supernet.get("label", supernet["trainer"].upper()),
                    "kind": "found",
                    "ranked_by": None,
                    "trained_architectures": 0,
                    "trained_on": supernet["dataset"],
                    "file": f"results/supernets/{name}/found.json",
                }
            )
        for proxy_name in task["proxies"]:
            for search_name in STUDY["tables"].get("searches", list(STUDY["searches"])):
                rows.append(
                    {
                        **common,
                        "method": f"{proxy_label(proxy_name)}+{search_label(search_name)}",
                        "kind": "search",
                        "ranked_by": combined_proxies.in_words(STUDY, proxy_name),
                        "trained_architectures": trained_architectures(proxy_name),
                        "trained_on": trained_on(proxy_name),
                        "file": f"results/searches/{task_name}/{device}/{proxy_name}/{search_name}.parquet",
                    }
                )
    return rows


def table_files(wildcards):
    rows = table_rows(wildcards.device)
    if not rows:
        raise WorkflowError(
            f"results/tables/{wildcards.device}.csv would be empty: no task whose true accuracies are known "
            f"(benchmarks) is reported on it; see results/decisions/{wildcards.device}.csv"
        )
    return sorted(
        {row[key] for row in rows for key in ("file", "accuracies", "metrics")}
    )


# ---- retraining ----------------------------------------------------------------------


def searched_front(task, device, proxy, search):
    return f"results/searches/{task}/{device}/{proxy}/{search}.parquet"


def retraining_inputs(wildcards):
    found = entry("retrainings", wildcards.retraining)
    task = entry("tasks", found["task"])
    inputs = {"images": f"results/datasets/{task['dataset']}.pt"}
    if study_checks.has_benchmark(STUDY, found["task"]):
        inputs["accuracies"] = (
            f"results/benchmarks/{task['space']}/{task['dataset']}.parquet"
        )
    if "search" in found:
        names = (found[key] for key in ("task", "device", "proxy", "search"))
        inputs["front"] = searched_front(*names)
    return inputs


def retraining_settings(wildcards):
    # What follows the training shows in its own rules.
    without = ("measure_on", "quantisation", "published")
    found = settings("retraining", "retrainings", wildcards.retraining, without=without)
    published = entry("retrainings", wildcards.retraining).get("published")
    if published:
        found["archs"] = published
    found["space"] = entry("tasks", found["task"])["space"]
    if "archs" in found or "peeling" in found:
        del found["picks"]
    else:
        found["representative"] = STUDY["tables"]["representative"]
    if "peeling" in found:
        task = entry("tasks", found["task"])
        found["accuracy_floor_percent"] = task["accuracy_floor_percent"]
    return found


# ---- explorer ------------------------------------------------------------------------


def evaluated_searches(task):
    """Return the (proxy, search) pairs of a task that are reported or stand beside."""
    space = entry("tasks", task)["space"]
    beside = STUDY["evaluation"]
    proxies = [
        *entry("tasks", task)["proxies"],
        *(
            name
            for name in beside["proxies"]
            if combined_proxies.space(STUDY, name) == space
        ),
    ]
    searches = [
        *STUDY["tables"].get("searches", list(STUDY["searches"])),
        *beside["searches"],
    ]
    # Each once, in this order.
    return [(p, s) for p in dict.fromkeys(proxies) for s in dict.fromkeys(searches)]


def explorer_rows():
    rows = []
    for device in STUDY["devices"]:
        for task_name in device_task_names(device):
            task = entry("tasks", task_name)
            where = f"{task['space']}/{task['dataset']}.parquet"
            for proxy, search in evaluated_searches(task_name):
                of_proxy = f"{proxy}/{proxy_dataset(proxy, task_name)}.parquet"
                rows.append(
                    {
                        "device": device,
                        "task": task_name,
                        "dataset": task["dataset"],
                        "space": task["space"],
                        "proxy": proxy,
                        "proxy_label": proxy_label(proxy),
                        "proxy_objective": proxy_objective(proxy),
                        "trained_architectures": trained_architectures(proxy),
                        "trained_on": trained_on(proxy),
                        "search": search,
                        "search_label": search_label(search),
                        "accuracy_floor_percent": task["accuracy_floor_percent"],
                        "accuracies": f"results/benchmarks/{where}",
                        "metrics": f"results/devices/{device}/{where}",
                        "proxy_table": f"results/proxies/{of_proxy}",
                        "history": f"results/searches/{task_name}/{device}/{proxy}/{search}.parquet",
                    }
                )
    return rows


def explorer_files(wildcards):
    files = ("accuracies", "metrics", "proxy_table", "history")
    rows = require_judged(explorer_rows(), "on any device")
    return sorted({row[key] for row in rows for key in files})


# ---- evaluations ---------------------------------------------------------------------


JUDGED = ("device", "task", "dataset", "proxy", "search", "proxy_objective")
JUDGED_FILES = ("accuracies", "metrics", "proxy_table", "history")


def evaluated_rows(
    device,
    keys=(*JUDGED, "trained_architectures", *JUDGED_FILES, "accuracy_floor_percent"),
):
    objectives = entry("devices", device).get("objectives", "all")
    return [
        {**{key: row[key] for key in keys}, "device_objectives": objectives}
        for row in explorer_rows()
        if row["device"] == device
    ]


def require_judged(rows, where):
    """Return what there is to judge; an error if it is nothing, as no true accuracies are known."""
    if not rows:
        raise WorkflowError(
            f"{STUDY_NAME}: no task whose true accuracies are known is searched {where}: its fronts cannot be "
            "looked up; add the task's data set to benchmarks, or train fronts by a retraining with peeling"
        )
    return rows


def judged_rows(device):
    return require_judged(evaluated_rows(device), f"on {device}")


def files_of(rows, keys=JUDGED_FILES):
    return sorted({row[key] for row in rows for key in keys} - {None})


def first_search():
    """Return the search whose front is used: the first NSGA-II, or else the first of all."""
    searches = [
        *STUDY["tables"].get("searches", list(STUDY["searches"])),
        *STUDY["evaluation"]["searches"],
    ]
    pareto = [
        name for name in searches if entry("searches", name)["searcher"] == "nsga2"
    ]
    return [*pareto, *searches][0]


RANKED_FILES = ("accuracies", "proxy_table", "space_table")


def ranking_rows():
    keys = ("task", "dataset", "proxy", "trained_on", "proxy_objective")
    keys = (*keys, "trained_architectures", "accuracy_floor_percent")
    keys = (*keys, "accuracies", "proxy_table")
    rows = [
        {
            **{key: row[key] for key in keys},
            "space_table": f"results/spaces/{row['space']}.parquet",
        }
        for row in explorer_rows()
    ]
    by_task_and_proxy = {(row["task"], row["proxy"]): row for row in rows}
    return require_judged(list(by_task_and_proxy.values()), "on any device")


def devices_compared():
    """Return the device tables, and the searches whose fronts are lent to other devices."""
    searches = [
        row
        for device in STUDY["devices"]
        for row in evaluated_rows(device)
        if row["search"] == first_search()
    ]
    require_judged(searches, "on any device")
    keys = ("device", "task", "dataset", "metrics")
    tables = {
        (row["device"], row["task"]): {key: row[key] for key in keys}
        for row in searches
    }
    return {"tables": list(tables.values()), "searches": searches}


DECIDED_FILES = ("accuracies", "metrics", "history", "facts")


def labelled_rows(device):
    """Return every search that is judged, with its labels; those of first_search() first."""
    keys = (*JUDGED, "accuracies", "metrics", "history", "space")
    keys = (*keys, "trained_architectures", "accuracy_floor_percent")
    rows = evaluated_rows(device, (*keys, "proxy_label", "search_label"))
    return preferred_first(require_judged(rows, f"on {device}"))


def preferred_first(rows):
    """Return rows with where their search's facts are, those of first_search() first."""
    for row in rows:
        row["facts"] = row["history"].removesuffix(".parquet") + ".json"
    return sorted(rows, key=lambda row: row["search"] != first_search())


def decision_rows(device):
    """Return every search of a device, those that are shown first by first_search()."""
    labelled = ("space", "proxy_label", "search_label")
    keys = (*JUDGED, "accuracies", "metrics", "history", *labelled)
    rows = evaluated_rows(device, (*keys, "accuracy_floor_percent"))
    rows += [
        row for task in unjudged_tasks(device) for row in unjudged_rows(device, task)
    ]
    return preferred_first(rows)


def decided_rows(device):
    """Return decision_rows(); an error if there are none."""
    rows = decision_rows(device)
    if not rows:
        raise WorkflowError(
            f"{STUDY_NAME}: no task is searched on {device}, so there is no front to choose from; name a proxy "
            "in the proxies of a task, and see that tables.tasks and the device's tasks leave one"
        )
    return rows


def unjudged_tasks(device):
    """Return the tasks that are searched on a device although nothing is known of the truth."""
    return [
        task
        for task in entry("devices", device).get("tasks", STUDY["tasks"])
        if not study_checks.has_benchmark(STUDY, task)
    ]


def unjudged_rows(device, task_name):
    """Return the searches of such a task: those of its own proxies."""
    task = entry("tasks", task_name)
    listed = study_checks.is_enumerable(task["space"])
    where = f"results/devices/{device}/{task['space']}/{task['dataset']}.parquet"
    return [
        {
            "device": device,
            "task": task_name,
            "dataset": task["dataset"],
            "space": task["space"],
            "proxy": proxy,
            "proxy_label": proxy_label(proxy),
            "proxy_objective": proxy_objective(proxy),
            "search": search,
            "search_label": search_label(search),
            "accuracy_floor_percent": task["accuracy_floor_percent"],
            "device_objectives": entry("devices", device).get("objectives", "all"),
            "accuracies": None,
            "metrics": where if listed else None,
            "history": searched_front(task_name, device, proxy, search),
        }
        for proxy in task["proxies"]
        for search in STUDY["searches"]
    ]


def searches_in_words(device):
    """Return (task, proxy, search) of the fronts that are put into words."""
    return [
        (row["task"], row["proxy"], row["search"])
        for row in decision_rows(device)
        if row["search"] == first_search()
        and row["proxy"] in (entry("tasks", row["task"])["proxies"] or [row["proxy"]])
    ]


# ---- figures -------------------------------------------------------------------------


def task_rows(device, task):
    """Return all searches of a task on a device with all proxies; an error if there are none."""
    entry("devices", device)
    entry("tasks", task)
    rows = [
        row for row in explorer_rows() if (row["device"], row["task"]) == (device, task)
    ]
    if not rows:
        raise WorkflowError(
            f"no front of task {task} is searched on {device}; nothing to draw"
        )
    return rows


def shown_rows(device, task):
    """Return what is shown of a task: all its searches with its first proxy."""
    rows = task_rows(device, task)
    return [row for row in rows if row["proxy"] == rows[0]["proxy"]]


def figure_settings(stage, device, task, beside=()):
    """Return the settings of a figure of the first search's front and of `beside`, searches."""
    rows = {row["search"]: row for row in shown_rows(device, task)}
    keys = (
        *("device", "task", "proxy_label", "proxy_objective", "accuracy_floor_percent"),
        *("accuracies", "metrics", "proxy_table"),
    )
    front = rows[first_search()]
    found = {
        "revision": REVISIONS[stage],
        **{key: front[key] for key in keys},
        "device_objectives": entry("devices", device).get("objectives", "all"),
        "front": {key: front[key] for key in ("search_label", "history")},
    }
    if beside:
        found["beside"] = [
            {key: rows[search][key] for key in ("search_label", "history")}
            for search in beside
            if search != first_search()
        ]
    return found


def fronts_settings(wildcards):
    searches = STUDY["tables"].get("searches", list(STUDY["searches"]))
    return figure_settings("figure_fronts", wildcards.device, wildcards.task, searches)


def proxy_and_true_settings(wildcards):
    return figure_settings("figure_proxy_and_true", wildcards.device, wildcards.task)


def generations_settings(wildcards):
    return figure_settings("figure_generations", wildcards.device, wildcards.task)


def convergence_settings(wildcards):
    """Return the settings of the curves of all searches, the first search first."""
    rows = shown_rows(wildcards.device, wildcards.task)
    keys = ("device", "task", "proxy", "proxy_label", "accuracy_floor_percent")
    return {
        "revision": REVISIONS["figure_convergence"],
        **{key: rows[0][key] for key in keys},
        "searches": [
            {key: row[key] for key in ("search", "search_label")}
            for row in sorted(rows, key=lambda row: row["search"] != first_search())
        ],
    }


def peeling_figure_settings(wildcards):
    """Return the settings of the curves of the first search with each of the task's proxies."""
    rows = [
        row
        for row in task_rows(wildcards.device, wildcards.task)
        if row["search"] == first_search()
    ]
    keys = ("device", "task", "proxy_label", "accuracy_floor_percent")
    return {
        "revision": REVISIONS["figure_peeling"],
        **{key: rows[0][key] for key in (*keys, "search", "search_label")},
        "proxies": [
            {key: row[key] for key in ("proxy", "proxy_label")} for row in rows
        ],
    }


def figure_files(settings_of):
    """Return an input function: the files that a figure's settings name."""

    def files(wildcards):
        found = settings_of(wildcards)
        histories = [
            row["history"] for row in (found["front"], *found.get("beside", ()))
        ]
        return [found["accuracies"], found["metrics"], found["proxy_table"], *histories]

    return files
