"""Jobs that train the picks of fronts, export them, and measure them."""

from __future__ import annotations

from typing import Any

from hanas.core import plugins
from hanas.core.errors import InputError
from hanas.study._entries import Entries, Job, as_measured, images_of
from hanas.study.results import EXPORTED, QUALITY, WEIGHTS, result
from hanas.study.rows import is_predicted
from hanas.study.settings import Task


class ModelJobs(Entries):
    """The jobs of trained models."""

    def retrain(self, retraining: str) -> Job:
        """Train picks, from scratch or from what they inherit of a supernet."""
        found, task, how = self._retraining(retraining)
        inputs = images_of(task.dataset)
        names = ("seed", "images", "train_on", "precision", "threads")
        how |= {"space": task.space, **{name: getattr(found, name) for name in names}}
        params: dict[str, Any] = {"how": how, "seeds": found.seeds}
        if self.study.has_benchmark(found.task):
            inputs["accuracies"] = result("accuracy_table", **task.where)
        if found.front is None:
            params["archs"] = found.archs or found.published
            params["role"] = "given" if found.archs else "published"
        else:
            device, proxy, search = found.front
            inputs["front"] = result("search", task=found.task, device=device, proxy=proxy)
            params |= {"search": search, "representative": self.study.tables.representative}
            if found.peeling is None:
                params |= {"picks": found.picks, "random": found.random, "role": "pick"}
            else:
                params["peeling"] = found.peeling.params()
                params["accuracy_floor_percent"] = task.accuracy_floor_percent
        if (supernet := self.study.started_from(retraining)) is not None:
            inputs["supernet"] = result("train_supernet", supernet=supernet)
            params["started_from"] = supernet
        revision = 1 + plugins.space(task.space).revision
        taken = {"threads": found.threads, "compute": found.train_on}
        return Job(inputs, revision=revision, **params, **taken)

    def export(self, retraining: str) -> Job:
        """Write trained networks as ONNX, float32 and INT8, and test them."""
        found, task, how = self._retraining(retraining)
        trained = {
            "weights": WEIGHTS.format(retraining=retraining),
            "metrics": result("retrain", retraining=retraining),
            **images_of(task.dataset),
        }
        how |= {"quantisation": found.quantisation.params(), "formats": found.formats}
        revision = 3
        if "litert" in found.formats:
            how["litert_python"] = found.litert_python
            revision = 4
        return Job(trained, revision=revision, space=task.space, **how)

    def _exported(self, retraining: str, task: Task) -> dict[str, Any]:
        return {
            "models": EXPORTED.format(retraining=retraining),
            "accuracies": result("export", retraining=retraining),
            **images_of(task.dataset),
        }

    def measure_models(self, retraining: str, device: str) -> Job:
        """Measure trained models on a device."""
        measured, (_, task, _) = self._measured(device), self._retraining(retraining)
        return Job(self._exported(retraining, task), **as_measured(measured, task.space))

    def rknn_report(self, retraining: str, device: str) -> Job:
        """List what of trained models a Rockchip NPU cannot run, and their accuracy on it."""
        measured, (found, task, _) = self._measured(device), self._retraining(retraining)
        simulated_images = getattr(measured, "simulated_images", None)
        if simulated_images is None:
            raise InputError(
                f"devices.{device} is of kind {measured.kind}; only kind rknn has such a report"
            )
        return Job(
            self._exported(retraining, task),
            **as_measured(measured, task.space),
            resolution=found.training.resolution,
            calibration_images=found.quantisation.calibration_images,
            simulated_images=simulated_images,
        )

    def model_cards(self, retraining: str) -> Job:
        """Describe trained models: a card each, and all that is known of them in a table."""
        found, task, how = self._retraining(retraining)
        latencies = {
            device: result("measure_models", retraining=retraining, device=device)
            for device in self.study.measured_on(retraining)
        }
        if found.device is not None and found.device not in latencies:
            latencies[found.device] = result("device_table", device=found.device, **task.where)
        predicted = {
            device: QUALITY.format(device=device, **task.where)
            for device in latencies
            if device not in self.study.measured_on(retraining)
            and is_predicted(self.study.devices[device], task.dataset)
        }
        others = {}
        if found.beside is not None:
            others = {"others": result("model_cards", retraining=found.beside)}
        names = ("task", "images", "seed", "precision", "license")
        read: dict[str, Any] = {"latencies": list(latencies.values())}
        read |= {"predicted": list(predicted.values())} if predicted else {}
        return Job(
            {**self._exported(retraining, task), **read, **others},
            revision=7,
            predicted=predicted,
            dataset_kind=self.study.datasets[task.dataset].kind,
            retraining=retraining,
            **{name: getattr(found, name) for name in names},
            **task.where,
            **how,
            quantisation=found.quantisation.params(),
            latencies=latencies,
        )

    def measured_front(self, task: str, device: str, proxy: str, search: str) -> Job:
        """Measure a found front, beside what was predicted of it."""
        of_task, found = self._entry("tasks", task), self._measured(device)
        self._entry("proxies", proxy)
        self._entry("searches", search)
        row = self.rows.row(device, task, proxy, search)
        predictor = result("measure", device=device, **of_task.where)
        return Job(
            {"history": row.history, "predictor": predictor, **images_of(of_task.dataset)},
            **as_measured(found, of_task.space),
            proxy_label=row.proxy_label,
            search_label=row.search_label,
        )

    def figure_front_spaces(self) -> Job:
        """Draw error against latency of the models of several retrainings."""
        shown = self.study.figures.front_spaces
        if shown is None:
            raise InputError("figures.front_spaces says nothing to draw; see config/rk3588.yaml")
        models = [
            {"label": label, "file": result("model_cards", retraining=name), "published": published}
            for label, name in shown.retrainings.items()
            for published in [self.study.retrainings[name].published is not None]
        ]
        files = [model["file"] for model in models]
        return Job({"files": files}, device=shown.device, models=models)
