// The page's behaviour. All results come from the embedded data; nothing is computed here but
// where things are drawn and which points keep within the limits.
"use strict";
(() => {
  const $ = (id) => document.getElementById(id);
  const data = JSON.parse($("data").textContent);
  const METRICS = {
    latency_ms: { name: "Latency", unit: "ms" },
    energy_mj: { name: "Energy", unit: "mJ" },
  };
  const OPERATIONS = {
    nor_conv_3x3: "conv 3×3", nor_conv_1x1: "conv 1×1", avg_pool_3x3: "pool 3×3",
    skip_connect: "skip", none: "none",
  };

  // ---- reading -------------------------------------------------------------------------------
  const ARRAYS = { u1: Uint8Array, u4: Uint32Array, f4: Float32Array, f8: Float64Array };
  const unpacked = new Map();
  function unpack(text) {
    if (!unpacked.has(text)) {
      const bytes = Uint8Array.from(atob(text.slice(3)), (letter) => letter.charCodeAt(0));
      unpacked.set(text, new ARRAYS[text.slice(0, 2)](bytes.buffer));
    }
    return unpacked.get(text);
  }
  const column = (number) => unpack(data.columns[number]);
  const spaceOf = (task) => data.spaces[data.tasks[task].space];
  function genesOf(task, id) {
    const space = spaceOf(task);
    const each = space.edges.length || space.stages.reduce((sum, layers) => sum + layers, 0);
    return unpack(space.genes).subarray(id * each, (id + 1) * each);
  }
  /** The canonical text of an architecture; of a cell: node by node, its incoming operations. */
  function textOf(task, id) {
    const space = spaceOf(task);
    if (space.texts) return space.texts[id];
    const nodes = new Map();
    genesOf(task, id).forEach((gene, edge) => {
      const [target, source] = space.edges[edge];
      if (!nodes.has(target)) nodes.set(target, []);
      nodes.get(target).push(`${space.operations[gene]}~${source}`);
    });
    return [...nodes.values()].map((edges) => `|${edges.join("|")}|`).join("+");
  }
  // Of a task without a benchmark no true accuracies are known.
  const isJudged = (task) => data.tasks[task].accuracy_percent !== null;
  const accuracy = (task, id) => (isJudged(task) ? column(data.tasks[task].accuracy_percent)[id] : NaN);
  const ofDevice = (device, task) => data.devices[device][task];
  const hasMetric = (device, task, metric) => metric in ofDevice(device, task).metrics;
  const metricOf = (device, task, metric, id) => column(ofDevice(device, task).metrics[metric])[id];
  const runLabel = (run) => `${data.proxies[run.proxy].label}+${data.searches[run.search]}`;
  const frontOf = (run) => unpack(run.front);

  // ---- words ---------------------------------------------------------------------------------
  const minus = (text) => text.replace("-", "−");
  function number(value) {
    if (!Number.isFinite(value)) return "–";
    const size = Math.abs(value);
    if (size === 0) return "0";
    if (size >= 1000) return minus(value.toLocaleString("en", { maximumFractionDigits: 0 }));
    return minus(size < 0.1 ? String(Number(value.toPrecision(3))) : value.toFixed(size < 10 ? 3 : 2));
  }
  const tickText = (value) => minus(
    Math.abs(value) < 1e4 ? String(value)
      : value.toLocaleString("en", { notation: "compact", maximumFractionDigits: 2 }));
  const quantity = (metric, value) => `${number(value)} ${METRICS[metric].unit}`;
  const percent = (value) => `${value.toFixed(2)} %`;
  const accuracyWords = (task, id) => (isJudged(task) ? `${percent(accuracy(task, id))} accuracy, ` : "");
  const accuracyCell = (task, id) => (isJudged(task) ? accuracy(task, id).toFixed(2) : "–");
  const count = (amount, word) => `${amount.toLocaleString("en")} ${word}${amount === 1 ? "" : "s"}`;
  function proxyWords(proxy) {
    const { label, objective } = data.proxies[proxy];
    if (objective === "error") return { axis: `${label} proxy error`, unit: "%", scale: 100 };
    if (objective === "cross_entropy") return { axis: `${label} proxy cross-entropy`, unit: "nats", scale: 1 };
    if (objective === "centred_cross_entropy") {
      return { axis: `${label} proxy centred cross-entropy`, unit: "nats", scale: 1 };
    }
    if (objective === "int8_error") return { axis: `${label} proxy error of INT8`, unit: "%", scale: 100 };
    return { axis: `${label} score`, unit: "lower is ranked better", scale: 1 };
  }
  function proxyValue(proxy, value) {
    const words = proxyWords(proxy);
    return words.unit === "%" ? percent(value * 100) : number(value);
  }

  // ---- state ---------------------------------------------------------------------------------
  const state = {
    device: "", task: "", proxy: "", search: "", compare: "", also: "", vertical: "true",
    horizontal: "latency_ms", whole: false, limits: {}, current: null,
    view: null, // what the axes show where zoomed: least and most across, then up
  };
  const KEPT = ["device", "task", "proxy", "search", "compare", "also", "vertical", "horizontal"];
  function readAddress() {
    const given = new URLSearchParams(location.hash.slice(1));
    for (const key of KEPT) if (given.has(key)) state[key] = given.get(key);
    state.whole = given.get("whole") === "1";
    const view = (given.get("view") ?? "").split(",").map(Number);
    state.view = view.length === 4 && view.every(Number.isFinite) && view[0] < view[1] && view[2] < view[3] ? view : null;
    for (const metric of Object.keys(METRICS)) {
      const limit = Number(given.get(metric));
      if (limit > 0) state.limits[metric] = limit;
    }
  }
  function writeAddress() {
    const parts = KEPT.filter((key) => state[key]).map((key) => [key, state[key]]);
    if (state.whole) parts.push(["whole", "1"]);
    if (state.view) parts.push(["view", state.view.join(",")]);
    parts.push(...Object.entries(state.limits));
    try {
      history.replaceState(null, "", `#${new URLSearchParams(parts)}`);
    } catch { /* A page inside another one may have no address of its own. */ }
  }

  const runsWhere = (where) =>
    data.runs.filter((run) => Object.entries(where).every(([key, value]) => run[key] === value));
  const values = (runs, key) => [...new Set(runs.map((run) => run[key]))];
  const theRun = () =>
    runsWhere({ device: state.device, task: state.task, proxy: state.proxy, search: state.search })[0];
  const otherRun = () => {
    const [proxy, search] = state.compare.split("+");
    return runsWhere({ device: state.device, task: state.task, proxy, search })[0];
  };

  /** The same search on other devices, and those of them that are shown. */
  const alike = () => runsWhere({ task: state.task, proxy: state.proxy, search: state.search })
    .filter((run) => run.device !== state.device && hasMetric(run.device, run.task, state.horizontal));
  const beside = () => alike().filter((run) => state.also === "*" || state.also === run.device);

  function fill(id, options) {
    const select = $(id);
    if (!options.some(([value]) => value === state[id])) state[id] = options.length ? options[0][0] : "";
    select.replaceChildren(...options.map(([value, text]) => new Option(text, value)));
    select.value = state[id];
    select.disabled = options.length < 2;
  }
  /** Offer what exists for what is chosen, from the device down. */
  function fillChoices() {
    fill("device", values(data.runs, "device").map((name) => [name, name]));
    const onDevice = runsWhere({ device: state.device });
    fill("task", values(onDevice, "task").map((name) => [name, name]));
    const ofTask = runsWhere({ device: state.device, task: state.task });
    fill("proxy", values(ofTask, "proxy").map((name) => {
      const { label, trained_on } = data.proxies[name];
      const transfer = trained_on && trained_on !== data.tasks[state.task].dataset;
      return [name, transfer ? `${label} (from ${trained_on})` : label];
    }));
    const ofProxy = runsWhere({ device: state.device, task: state.task, proxy: state.proxy });
    fill("search", values(ofProxy, "search").map((name) => [name, data.searches[name]]));
    const others = ofTask.filter((run) => run.proxy !== state.proxy || run.search !== state.search);
    fill("compare", [["", "nothing"], ...others.map((run) => [`${run.proxy}+${run.search}`, runLabel(run)])]);
    const words = proxyWords(state.proxy);
    fill("vertical", [...(isJudged(state.task) ? [["true", "true error"]] : []), ["proxy", words.axis]]);
    const metrics = Object.keys(METRICS).filter((name) => hasMetric(state.device, state.task, name));
    fill("horizontal", metrics.map((name) => [name, METRICS[name].name.toLowerCase()]));
    const elsewhere = alike().map((run) => [run.device, run.device]);
    fill("also", [["", "no other device"], ...elsewhere, ...(elsewhere.length > 1 ? [["*", "all devices"]] : [])]);
    for (const name of Object.keys(state.limits)) if (!metrics.includes(name)) delete state.limits[name];
  }

  // ---- the pick ------------------------------------------------------------------------------
  /** The first point of the front, which is in order of preference, within the limits; or -1. */
  function pickOf(run) {
    const limits = Object.entries(state.limits).map(([name, most]) => [unpack(run.metric_values[name]), most]);
    return frontOf(run).findIndex((_, row) => limits.every(([exact, most]) => exact[row] <= most));
  }
  function metricsText(task, device, id) {
    return Object.keys(ofDevice(device, task).metrics)
      .map((name) => quantity(name, metricOf(device, task, name, id))).join(", ");
  }
  function describePick() {
    const run = theRun();
    const row = pickOf(run);
    const limits = Object.entries(state.limits).map(([name, most]) => `${most} ${METRICS[name].unit}`);
    const within = limits.length ? `Up to ${limits.join(" and ")}` : "Without a limit";
    $("pick-copy").disabled = $("pick-show").disabled = row < 0;
    if (row < 0) {
      $("pick-text").textContent = frontOf(run).length
        ? `${within} there is nothing to take on this front: loosen a limit.`
        : "This search found nothing that the device can run.";
      $("pick-numbers").textContent = "";
      return;
    }
    const id = frontOf(run)[row];
    const space = spaceOf(state.task);
    $("pick-text").textContent = `${within} take network ${unpack(space.index)[id]}: `
      + `${accuracyWords(state.task, id)}${metricsText(state.task, state.device, id)}.`;
    $("pick-numbers").textContent =
      `It has the lowest ${proxyWords(state.proxy).axis} of the front within the limits `
      + `(${proxyValue(state.proxy, unpack(run.proxy_values)[row])}). `
      + (isJudged(state.task) ? `Its accuracy is from ${data.tasks[state.task].source}; it was not used to choose.`
        : "Its true accuracy is not known: no benchmark has it.");
  }

  // ---- how far to trust it -------------------------------------------------------------------
  const sentence = (said) =>
    `${said[0].toUpperCase()}${said.slice(1)}${said.endsWith("?") ? "" : "."}`.replace(/[*`]/g, "");
  const each = (found, key) => [...new Set(found.flatMap((of) => of[key]))];
  /** Say how well things are known, and in red why not; each sentence once. */
  function showTrust(found) {
    const doubts = each(found, "doubts").map((said, row) =>
      element("p", {}, row ? sentence(said) : sentence(`Do not trust this page: ${said}`)));
    $("doubts").hidden = !doubts.length;
    $("doubts").replaceChildren(...doubts);
    $("known").replaceChildren(...each(found, "known").map((said) => element("li", {}, sentence(said))));
  }
  function describeTrust() {
    const here = (of) => of.device === state.device && of.task === state.task;
    const ofRun = (of) => here(of) && of.proxy === state.proxy && of.search === state.search;
    showTrust([...data.trust.filter(ofRun), ...data.trained.filter(here)]);
  }

  // ---- limits --------------------------------------------------------------------------------
  function limitRange(metric) {
    const all = runsWhere({ device: state.device, task: state.task })
      .flatMap((run) => [...unpack(run.metric_values[metric])]);
    if (!all.length) return null;
    const least = Math.min(...all), most = Math.max(...all);
    const rough = Math.max(most - least, most * 0.01) / 200;
    const power = 10 ** Math.floor(Math.log10(rough));
    const step = [1, 2, 5, 10].find((factor) => factor * power >= rough) * power;
    return { step, first: Math.floor(least / step), last: Math.ceil(most / step) + 1 };
  }
  const tidy = (value) => Number(value.toPrecision(10));
  function element(name, attributes = {}, ...children) {
    const made = document.createElement(name);
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    made.append(...children);
    return made;
  }
  const shownLimits = []; // functions that bring a slider and its words up to date
  /** A slider and a number field for each metric; the slider's right end is "no limit". */
  function makeLimits() {
    const heading = element("h2", {}, "Limits");
    shownLimits.length = 0;
    const fields = Object.keys(ofDevice(state.device, state.task).metrics).map((metric) => {
      const range = limitRange(metric);
      if (!range) return "";
      const { name, unit } = METRICS[metric];
      const slider = element("input", { type: "range", id: `slider-${metric}`, min: range.first, max: range.last, step: 1 });
      const field = element("input", {
        type: "number", id: `limit-${metric}`, min: 0, step: "any", inputmode: "decimal",
        placeholder: "none", "aria-label": `${name} limit in ${unit}`,
      });
      const said = element("output", { for: `slider-${metric} limit-${metric}` });
      const show = () => {
        const limit = state.limits[metric];
        slider.value = limit === undefined ? range.last : Math.round(limit / range.step);
        slider.setAttribute("aria-valuetext", limit === undefined ? "no limit" : `${limit} ${unit}`);
        if (document.activeElement !== field) field.value = limit ?? "";
        const within = [...unpack(theRun().metric_values[metric])].filter((v) => !(v > limit)).length;
        said.textContent = `${limit === undefined ? "no limit" : `at most ${limit} ${unit}`}: `
          + `${within} of ${count(frontOf(theRun()).length, "point")} of the front`;
      };
      slider.addEventListener("input", () => {
        const position = Number(slider.value);
        if (position >= range.last) delete state.limits[metric];
        else state.limits[metric] = tidy(position * range.step);
        field.value = state.limits[metric] ?? "";
        field.removeAttribute("aria-invalid");
        limitsChanged();
      });
      field.addEventListener("input", () => {
        const typed = field.value.trim();
        const wrong = field.validity.badInput || (typed !== "" && !(Number(typed) > 0));
        field.setAttribute("aria-invalid", String(wrong));
        if (wrong) { said.textContent = `a limit is a number of ${unit} above 0`; return; }
        if (typed === "") delete state.limits[metric];
        else state.limits[metric] = Number(typed);
        limitsChanged();
      });
      shownLimits.push(show);
      return element("div", { class: "limit" },
        element("label", { for: `slider-${metric}` }, `${name} at most`), slider, field, said);
    });
    $("limits").replaceChildren(heading, ...fields);
  }
  function limitsChanged() {
    shownLimits.forEach((show) => show());
    describeTrust();
    describePick();
    drawChart();
    const picked = pickedId();
    if (picked !== null) show(picked);
    writeAddress();
  }

  // ---- axes ----------------------------------------------------------------------------------
  const SVG = "http://www.w3.org/2000/svg";
  function svg(name, attributes = {}, ...children) {
    const made = document.createElementNS(SVG, name);
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    made.append(...children);
    return made;
  }
  /** Map a range, or the part of it in view, to pixels, with ticks `apart`; logarithmic where the
   * range spans more than a factor. */
  function axis(low, high, start, stop, { apart, factor }, view) {
    const log = low > 0 && high / low > factor;
    const f = log ? Math.log : (value) => value;
    const margin = (f(high) - f(low)) * 0.04 || Math.abs(f(high)) * 0.05 || 1;
    const back = log ? Math.exp : (value) => value;
    const whole = [f(low) - margin, f(high) + margin];
    const [a, b] = view && !(log && view[0] <= 0) ? view.map(f) : whole;
    const [first, last] = [back(a), back(b)];
    const value = (pixel) => back(a + ((pixel - start) / (stop - start)) * (b - a));
    const place = (value) => start + ((f(value) - a) / (b - a)) * (stop - start);
    const inside = (value) => f(value) >= a && f(value) <= b;
    const most = Math.max(2, Math.floor(Math.abs(stop - start) / apart));
    let ticks = [];
    if (log && last / first > factor) {
      for (const factors of [[1, 1.5, 2, 3, 4, 5, 6, 8], [1, 2, 3, 5, 7], [1, 2, 5], [1, 3], [1]]) {
        ticks = [];
        for (let power = Math.floor(a / Math.LN10); power <= Math.ceil(b / Math.LN10); power++) {
          ticks.push(...factors.map((factor) => tidy(factor * 10 ** power)).filter(inside));
        }
        const gaps = ticks.slice(1).map((tick, i) => Math.abs(place(tick) - place(ticks[i])));
        if (Math.min(...gaps) >= apart) break;
      }
    } else {
      const rough = (last - first) / most;
      const power = 10 ** Math.floor(Math.log10(rough));
      const step = [1, 2, 5, 10].find((factor) => factor * power >= rough) * power;
      for (let k = Math.ceil(first / step); k * step <= last; k++) ticks.push(tidy(k * step));
    }
    return { place, inside, ticks, log, value, whole: whole.map(back) };
  }

  // ---- the chart -----------------------------------------------------------------------------
  let drawn = { front: [], other: [], cloud: [] }; // [{id, x, y}] in pixels, for the pointer
  let frame = null; // the axes of the chart and its edges in pixels
  let shownRows = []; // what is in view, for the table that is saved
  /** Marks of other devices, around 0 0. */
  const SHAPES = ["M0 -5.5l5 9h-10z", "M0 5.5l5 -9h-10z", "M-4.5 -4.5l9 9M4.5 -4.5l-9 9", "M-6 0h12M0 -6v12", "M-5 -3h10v6h-10z"];
  const alsoMark = (number, x, y) => svg("path", {
    class: `also also-${number % SHAPES.length}`, d: SHAPES[number % SHAPES.length], transform: `translate(${x.toFixed(1)} ${y.toFixed(1)})`,
  });
  function points(run, ids) {
    const { device, task, proxy } = run;
    const across = column(ofDevice(device, task).metrics[state.horizontal]);
    const words = proxyWords(proxy);
    const up = state.vertical === "true"
      ? (id) => 100 - accuracy(task, id)
      : (id) => column(data.proxies[proxy].of_task[task].values)[id] * words.scale;
    return [...ids].map((id) => ({ id, across: across[id], up: up(id) }));
  }
  function extent(list, key) {
    return [Math.min(...list.map((p) => p[key])), Math.max(...list.map((p) => p[key]))];
  }
  function drawChart() {
    const run = theRun();
    const other = state.vertical === "true" || state.compare.startsWith(`${state.proxy}+`) ? otherRun() : undefined;
    const box = $("chart");
    const width = Math.max(280, box.clientWidth), height = Math.round(Math.min(520, Math.max(330, width * 0.62)));
    const [left, right, top, bottom] = [48, width - 10, 26, height - 46];
    const front = points(run, frontOf(run));
    const cloud = points(run, unpack(run.drawn));
    const compared = other ? points(other, frontOf(other)) : [];
    const others = beside().map((each) => ({ run: each, points: points(each, frontOf(each)) }));
    const { true_fronts } = ofDevice(run.device, run.task);
    const truth = state.vertical === "true" ? points(run, unpack(true_fronts[state.horizontal])) : [];
    const floor = data.tasks[run.task].floor_percent;
    const worthy = (p) => accuracy(run.task, p.id) >= floor;
    let seen = [...front, ...compared, ...others.flatMap((each) => each.points), ...truth, ...cloud];
    if (!state.whole && seen.some(worthy)) seen = seen.filter(worthy);
    const chart = svg("svg", { width, height, viewBox: `0 0 ${width} ${height}`, "aria-hidden": "true" });
    $("plot-title").textContent = `${runLabel(run)} on ${run.device}, ${run.task}`;
    if (!seen.length) {
      drawn = { front: [], other: [], cloud: [] };
      [frame, shownRows] = [null, []];
      showTools();
      box.replaceChildren();
      $("legend").replaceChildren();
      $("plot-note").textContent = "There is nothing to draw: this search found nothing that the device can run.";
      return;
    }
    const horizontal = axis(...extent(seen, "across"), left, right, { apart: 58, factor: 8 }, state.view?.slice(0, 2));
    // Errors early: nearly all networks are good ones, and a few guess.
    const vertical = axis(...extent(seen, "up"), bottom, top, { apart: 26, factor: 5 }, state.view?.slice(2));
    frame = { horizontal, vertical, left, right, top, bottom };
    const visible = (p) => horizontal.inside(p.across) && vertical.inside(p.up);
    const placed = (list) => list.filter(visible)
      .map((p) => ({ id: p.id, x: horizontal.place(p.across), y: vertical.place(p.up) }));
    drawn = { front: placed(front), other: placed(compared), cloud: placed(cloud) };
    shownRows = [["found front", run, front], ["evaluated", run, cloud], ["true front", run, truth],
      ...(other ? [["found front", other, compared]] : []), ...others.map((each) => ["found front", each.run, each.points])]
      .flatMap(([as, of, list]) => list.filter(visible).map((p) => ({ as, run: of, id: p.id })));

    for (const tick of horizontal.ticks) {
      const x = horizontal.place(tick);
      chart.append(svg("line", { class: "grid", x1: x, x2: x, y1: top, y2: bottom }),
        svg("text", { x, y: bottom + 16, "text-anchor": "middle" }, tickText(tick)));
    }
    for (const tick of vertical.ticks) {
      const y = vertical.place(tick);
      chart.append(svg("line", { class: "grid", x1: left, x2: right, y1: y, y2: y }),
        svg("text", { x: left - 6, y: y + 4, "text-anchor": "end" }, tickText(tick)));
    }
    const { name, unit } = METRICS[state.horizontal];
    const words = proxyWords(run.proxy);
    const up = state.vertical === "true" ? "true error (%)" : `${words.axis} (${words.unit})`;
    chart.append(
      svg("text", { x: left, y: 14 }, `${up}  ↓ better`),
      svg("text", { x: right, y: height - 8, "text-anchor": "end" }, `better ←  ${name.toLowerCase()} (${unit})`));

    const clip = svg("g");
    chart.append(svg("clipPath", { id: "inside" }, svg("rect", { x: left, y: top, width: right - left, height: bottom - top })));
    clip.setAttribute("clip-path", "url(#inside)");
    const limit = state.limits[state.horizontal];
    if (limit !== undefined) {
      const x = Math.min(right, horizontal.log && limit <= 0 ? left : horizontal.place(limit));
      if (x < right) {
        const from = Math.max(left, x);
        clip.append(svg("rect", { class: "beyond", x: from, y: top, width: right - from, height: bottom - top }),
          svg("line", { class: "limit-line", x1: x, x2: x, y1: top, y2: bottom }));
      }
    }
    clip.append(svg("path", { class: "cloud", d: drawn.cloud.map((p) => `M${p.x.toFixed(1)} ${p.y.toFixed(1)}h0`).join("") }));
    const stairs = truth.map((p) => [horizontal.place(p.across), vertical.place(p.up)])
      .map(([x, y], i) => (i ? `H${x.toFixed(1)}V${y.toFixed(1)}` : `M${x.toFixed(1)} ${y.toFixed(1)}`)).join("");
    clip.append(svg("path", { class: "true", d: stairs }));
    chart.append(clip);
    for (const p of drawn.other) chart.append(svg("rect", { class: "other", x: p.x - 4, y: p.y - 4, width: 8, height: 8 }));
    others.forEach((each, number) => {
      for (const p of placed(each.points)) {
        const mark = alsoMark(number, p.x, p.y);
        mark.append(svg("title", {}, `${each.run.device}: network ${unpack(spaceOf(run.task).index)[p.id]}`));
        chart.append(mark);
      }
    });
    for (const p of drawn.front) chart.append(svg("circle", { class: "found", cx: p.x, cy: p.y, r: 4.6, "data-id": p.id }));
    const picked = pickOf(run);
    const pick = picked < 0 ? undefined : drawn.front.find((p) => p.id === frontOf(run)[picked]);
    if (pick) chart.append(svg("path", { class: "pick", "data-id": pick.id, d: `M${pick.x} ${pick.y - 11}l11 11l-11 11l-11 -11z` }));
    chart.append(svg("rect", { class: "frame", x: left, y: top, width: right - left, height: bottom - top }));
    chart.append(svg("circle", { class: "current", r: 8.5, visibility: "hidden" }));
    box.replaceChildren(chart);
    markCurrent();
    showTools();

    const outside = front.length - drawn.front.length;
    box.setAttribute("aria-label", `${count(front.length, "point")} of the front found by ${runLabel(run)} `
      + `on ${run.device}, ${run.task}: ${up} against ${name.toLowerCase()}`
      + `${others.length ? `; beside it the fronts on ${others.map((each) => each.run.device).join(", ")}` : ""}`
      + `${state.view ? `; in view are ${inView()}` : ""}`);
    const thinned = cloud.length < run.evaluations - run.infeasible
      ? `${cloud.length} of ${run.evaluations} evaluations are drawn, evenly over the search`
      : `All ${run.evaluations} evaluations are drawn`;
    $("plot-note").textContent = [
      `${thinned}${run.infeasible ? `; the device cannot run ${run.infeasible} of them` : ""} (seed ${data.seed}).`,
      outside ? `${count(outside, "point")} of the front ${outside === 1 ? "lies" : "lie"} outside the view`
        + `${state.whole || state.view ? "." : `, below ${floor} % accuracy: see “whole range”.`}` : "",
      state.vertical === "true" && floor > 0 ? `The true front is that of the networks with at least ${floor} % accuracy.` : "",
      run.objectives.length > 2 ? "The front weighs latency and energy together, so not every point of it is best in this view." : "",
      state.compare && !other ? "Another proxy has another scale: compare by the true error." : "",
    ].filter(Boolean).join(" ");
    const legend = [
      [svg("circle", { class: "found", cx: 9, cy: 9, r: 4.6 }), "found front"],
      [svg("path", { class: "pick", d: "M9 1l8 8l-8 8l-8 -8z" }), "pick"],
      [svg("path", { class: "cloud", d: "M4 9h0M12 5h0M13 13h0" }), "evaluated"],
    ];
    if (truth.length) legend.push([svg("path", { class: "true", d: "M1 2V8H9V15H17" }), "true front"]);
    if (compared.length) legend.push([svg("rect", { class: "other", x: 5, y: 5, width: 8, height: 8 }), `front of ${runLabel(other)}`]);
    others.forEach((each, number) => legend.push([alsoMark(number, 9, 9), `found front on ${each.run.device}`]));
    $("legend").replaceChildren(...legend.map(([mark, text]) =>
      element("li", {}, svg("svg", { width: 18, height: 18, "aria-hidden": "true" }, mark), text)));
  }
  function markCurrent() {
    const ring = document.querySelector("#chart .current");
    const at = [...drawn.front, ...drawn.other, ...drawn.cloud].find((p) => p.id === state.current);
    if (!ring) return;
    ring.setAttribute("visibility", at ? "visible" : "hidden");
    if (at) { ring.setAttribute("cx", at.x); ring.setAttribute("cy", at.y); }
  }

  // ---- zooming and panning -------------------------------------------------------------------
  /** What the axes show, in words. */
  function inView() {
    const [low, high, least, most] = state.view;
    const { name, unit } = METRICS[state.horizontal];
    const up = state.vertical === "true" ? "true error" : proxyWords(state.proxy).axis;
    return `${name.toLowerCase()} ${number(low)} to ${number(high)} ${unit}, ${up} ${number(least)} to ${number(most)}`;
  }
  /** Show the part of the chart between edges in pixels; null: all of it. */
  function look(edges) {
    if (!frame) return;
    const { horizontal, vertical } = frame;
    const view = edges && [horizontal.value(edges[0]), horizontal.value(edges[1]), vertical.value(edges[3]), vertical.value(edges[2])]
      .map((value) => Number(value.toPrecision(7)));
    if (view && !(view[1] - view[0] > 1e-5 * Math.abs(view[1]) && view[3] - view[2] > 1e-5 * Math.abs(view[3]))) return;
    const all = [...horizontal.whole, ...vertical.whole];
    const isAll = !view || [0, 2].every((low) => view[low] <= all[low] && view[low + 1] >= all[low + 1]);
    state.view = isAll ? null : view;
    drawChart();
    writeAddress();
  }
  /** Show `part` of what is in view, or more where above 1, around a place in pixels. */
  function zoom(part, x, y) {
    if (!frame) return;
    const { left, right, top, bottom } = frame;
    const at = [...drawn.front, ...drawn.other, ...drawn.cloud].find((p) => p.id === state.current);
    const [a, b] = [x ?? at?.x ?? (left + right) / 2, y ?? at?.y ?? (top + bottom) / 2];
    look([a - (a - left) * part, a + (right - a) * part, b - (b - top) * part, b + (bottom - b) * part]);
  }
  /** Move the chart by pixels, where a part of it is in view. */
  function pan(x, y) {
    if (frame && state.view) look([frame.left - x, frame.right - x, frame.top - y, frame.bottom - y]);
  }
  function showTools() {
    for (const id of ["zoom-in", "zoom-out", "save-svg", "save-png", "save-csv"]) $(id).disabled = !frame;
    $("zoom-all").disabled = !state.view;
    $("chart").style.touchAction = state.view ? "none" : "";
  }

  // ---- saving --------------------------------------------------------------------------------
  const nameOfFile = (end) => `${[state.device, state.task, state.proxy, state.search].join("-")}.${end}`;
  function save(blob, end) {
    const link = element("a", { href: URL.createObjectURL(blob), download: nameOfFile(end) });
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 1000);
    say(`Saved ${link.download}`);
  }
  const DRAWN_WITH = ["fill", "stroke", "stroke-width", "stroke-dasharray", "stroke-linecap", "opacity", "visibility", "font-size", "font-family"];
  /** A copy of a part of the page's picture that needs no style sheet. */
  function styled(part) {
    const copied = part.cloneNode(true);
    const [from, to] = [part, copied].map((one) => [one, ...one.querySelectorAll("*")]);
    from.forEach((one, i) => {
      const style = getComputedStyle(one);
      for (const property of DRAWN_WITH) to[i].setAttribute(property, style.getPropertyValue(property));
      to[i].removeAttribute("class");
    });
    return copied;
  }
  /** The chart with its title and its legend, as one picture. */
  function picture() {
    const chart = document.querySelector("#chart > svg"), legend = $("legend").getBoundingClientRect();
    const [width, height] = [chart.clientWidth, chart.clientHeight];
    const ink = getComputedStyle($("plot-title")).color, font = getComputedStyle(document.body).fontFamily;
    const text = (x, y, size, said) => svg("text", { x, y, fill: ink, "font-family": font, "font-size": size }, said);
    const whole = svg("svg", { xmlns: SVG, width, height: height + legend.height + 34, viewBox: `0 -26 ${width} ${height + legend.height + 34}` });
    whole.append(svg("rect", { x: 0, y: -26, width, height: height + legend.height + 34, fill: getComputedStyle(document.body).backgroundColor }),
      text(8, -8, "15px", $("plot-title").textContent), ...styled(chart).childNodes);
    for (const item of $("legend").children) {
      const box = item.getBoundingClientRect(), [x, y] = [box.left - legend.left + 8, height + 4 + box.top - legend.top];
      const mark = svg("g", { transform: `translate(${x} ${y})` }, ...styled(item.querySelector("svg")).childNodes);
      whole.append(mark, text(x + 24, y + 14, "13px", item.textContent));
    }
    return new XMLSerializer().serializeToString(whole);
  }
  function savePicture() {
    save(new Blob([picture()], { type: "image/svg+xml" }), "svg");
  }
  async function savePixels() {
    const image = new Image();
    image.src = `data:image/svg+xml;charset=utf-8,${encodeURIComponent(picture())}`;
    await image.decode();
    const canvas = element("canvas", { width: 2 * image.width, height: 2 * image.height });
    canvas.getContext("2d").drawImage(image, 0, 0, canvas.width, canvas.height);
    canvas.toBlob((blob) => save(blob, "png"), "image/png");
  }
  /** Every point in view as a row of a table; a text that a spreadsheet would compute is none. */
  function saveRows() {
    const cell = (value) => {
      const text = typeof value === "string" ? value.replace(/^[=+\-@\t\r]/, "'$&") : Number.isFinite(value) ? String(value) : "";
      return /[",\n\r]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
    };
    const head = ["shown_as", "device", "task", "search", "network", "arch", "accuracy_percent", "proxy", ...Object.keys(METRICS)];
    const rows = shownRows.map(({ as, run, id }) => [as, run.device, run.task, runLabel(run), unpack(spaceOf(run.task).index)[id],
      textOf(run.task, id), accuracy(run.task, id), column(data.proxies[run.proxy].of_task[run.task].values)[id],
      ...Object.keys(METRICS).map((name) => (hasMetric(run.device, run.task, name) ? metricOf(run.device, run.task, name, id) : NaN))]);
    save(new Blob([[head, ...rows].map((row) => `${row.map(cell).join(",")}\n`).join("")], { type: "text/csv" }), "csv");
  }

  // ---- the network ---------------------------------------------------------------------------
  const DASHES = { none: "1 5", avg_pool_3x3: "8 3 2 3", max_pool_3x3: "8 3 2 3", skip_connect: "6 3" };
  const WIDTHS = { none: 1, skip_connect: 1.6, nor_conv_1x1: 2.2, nor_conv_3x3: 3.6 };
  function drawNetwork(task, id) {
    $("cell").replaceChildren(spaceOf(task).stages.length ? chainOf(task, id) : cellOf(task, id));
  }
  /** The chain, a row of layers for each stage; identity is dashed. */
  function chainOf(task, id) {
    const { stages, operations } = spaceOf(task);
    // Where channels are searched, the text has them before each stage.
    const sizes = textOf(task, id).split("+").map((text) => text.match(/^(\d+):/)?.[1]);
    const [left, width, height] = [sizes.some(Boolean) ? 150 : 58, 96, 30];
    const picture = svg("svg", {
      viewBox: `0 0 ${left + Math.max(...stages) * (width + 12)} ${stages.length * (height + 14)}`, role: "img",
    });
    const genes = [...genesOf(task, id)], words = [];
    stages.forEach((layers, stage) => {
      const y = stage * (height + 14) + 4;
      const name = `stage ${stage + 1}` + (sizes[stage] ? `, ${sizes[stage]} channels` : "");
      picture.append(svg("text", { x: 0, y: y + height / 2 + 4 }, name));
      for (let layer = 0; layer < layers; layer++) {
        const operation = operations[genes.shift()], x = left + layer * (width + 12);
        if (operation === undefined) continue; // a layer that is left out
        const label = operation.replaceAll("_", " ").replace(/(\d)x(\d)/, "$1×$2");
        words.push(`stage ${stage + 1}, layer ${layer + 1}: ${label}`);
        if (layer) picture.append(svg("path", { class: "edge", d: `M${x - 12} ${y + height / 2}h12`, "stroke-width": 1.6 }));
        picture.append(
          svg("rect", {
            class: "node", x, y, width, height, rx: 4, "stroke-dasharray": operation === "identity" ? "4 4" : "none",
          }),
          svg("text", { x: x + width / 2, y: y + height / 2 + 4, "text-anchor": "middle" }, label));
      }
    });
    picture.append(svg("title", {}, words.join("; ")));
    return picture;
  }
  /** The cell as a graph: nodes on a line, longer edges as arcs above and below it. */
  function cellOf(task, id) {
    const { edges, operations } = spaceOf(task);
    const last = Math.max(...edges.map(([target]) => target));
    const names = operations.map((name) => OPERATIONS[name] ?? name.replaceAll("_", " ").replace(/(\d)x(\d)/, "$1×$2"));
    // Between neighbours there is room for the longest name.
    const apart = Math.max(104, 50 + 6.8 * Math.max(...names.map((name) => name.length)));
    const middle = 46 * (last - 1) + 12;
    const at = (node) => 22 + node * apart;
    const picture = svg("svg", { viewBox: `0 0 ${44 + last * apart} ${middle + 46 * Math.max(last - 2, 0) + 16}`, role: "img" });
    const words = [], labels = [];
    genesOf(task, id).forEach((gene, edge) => {
      const [target, source] = edges[edge];
      const operation = operations[gene], label = names[gene];
      words.push(`node ${target} from node ${source}: ${label}`);
      const span = target - source, side = span === 1 ? 0 : source % 2 ? 1 : -1;
      const peak = side * (span - 1) * 46;
      const [a, b, x] = [at(source), at(target), (at(source) + at(target)) / 2];
      picture.append(svg("path", {
        class: "edge", d: `M${a} ${middle}Q${x} ${middle + 2 * peak} ${b} ${middle}`,
        "stroke-width": WIDTHS[operation] ?? 2, "stroke-dasharray": DASHES[operation] ?? "none",
      }));
      const half = label.length * 3.4 + 4;
      labels.push(svg("rect", { class: "op-back", x: x - half, y: middle + peak - 9, width: 2 * half, height: 18, rx: 3 }),
        svg("text", { x, y: middle + peak + 4, "text-anchor": "middle" }, label));
    });
    picture.append(...labels);
    for (let node = 0; node <= last; node++) {
      picture.append(svg("circle", { class: "node", cx: at(node), cy: middle, r: 13 }),
        svg("text", { x: at(node), y: middle + 4, "text-anchor": "middle" }, node === 0 ? "in" : node === last ? "out" : String(node)));
    }
    picture.append(svg("title", {}, words.join("; ")));
    return picture;
  }
  function tableOf(caption, head, rows) {
    return element("div", { class: "scroll" }, element("table", {}, element("caption", {}, caption),
      element("thead", {}, element("tr", {}, ...head.map((text) => element("th", { scope: "col" }, text)))),
      element("tbody", {}, ...rows.map(({ cells, here }) => element("tr", here ? { class: "here" } : {},
        ...cells.map((cell, i) => element(i ? "td" : "th", i ? {} : { scope: "row" }, cell)))))));
  }
  function show(id) {
    state.current = id;
    markCurrent();
    $("copy").disabled = id === null;
    if (id === null) {
      $("network-text").textContent = "No network is chosen.";
      $("arch").textContent = "";
      $("cell").replaceChildren();
      $("numbers").replaceChildren();
      return;
    }
    const { device, task, proxy } = state;
    const run = theRun();
    const onFront = frontOf(run).includes(id);
    $("network-text").textContent = `Network ${unpack(spaceOf(task).index)[id]}`
      + `${onFront ? ", on the found front" : ""}: ${accuracyWords(task, id)}${metricsText(task, device, id)}, `
      + `${proxyWords(proxy).axis} ${proxyValue(proxy, column(data.proxies[proxy].of_task[task].values)[id])}.`;
    $("arch").textContent = textOf(task, id);
    drawNetwork(task, id);
    const space = data.tasks[task].space;
    const tasks = Object.keys(data.tasks).filter((name) => data.tasks[name].space === space && isJudged(name));
    const devices = Object.keys(data.devices).filter((name) => task in data.devices[name]);
    $("numbers").replaceChildren(
      ...(tasks.length ? [tableOf("True accuracy", ["task", "accuracy (%)"],
        tasks.map((name) => ({ cells: [name, accuracyCell(name, id)], here: name === task })))] : []),
      tableOf(`On every device, ${task}; ● on the front of ${runLabel(run)} there`, ["device", "ms", "mJ", "front"],
        devices.map((name) => {
          const there = runsWhere({ device: name, task, proxy, search: state.search })[0];
          const value = (metric) => (hasMetric(name, task, metric) ? number(metricOf(name, task, metric, id)) : "");
          const runs = Number.isFinite(metricOf(name, task, Object.keys(ofDevice(name, task).metrics)[0], id));
          return {
            cells: [name, value("latency_ms"), value("energy_mj"),
              !runs ? (ofDevice(name, task).complete ? "cannot run it" : "not evaluated") : there && frontOf(there).includes(id) ? "●" : ""],
            here: name === device,
          };
        })));
  }

  // ---- copying -------------------------------------------------------------------------------
  async function copy(id) {
    if (id === null || id === undefined) return;
    const text = textOf(state.task, id);
    let done = false;
    try {
      await navigator.clipboard.writeText(text);
      done = true;
    } catch {
      const field = element("textarea", { readonly: "" });
      const focused = document.activeElement;
      field.value = text;
      document.body.append(field);
      field.select();
      done = document.execCommand("copy");
      field.remove();
      focused?.focus();
    }
    say(done ? `Copied ${text}` : `Could not copy; the text is ${text}`);
  }
  let silence = 0;
  function say(text) {
    $("said").textContent = text;
    clearTimeout(silence);
    silence = setTimeout(() => { $("said").textContent = ""; }, 4000);
  }

  // ---- the front as a table, and the sources -------------------------------------------------
  function listFront() {
    const run = theRun();
    const { device, task, proxy } = run;
    const metrics = Object.keys(run.metric_values);
    $("front-summary").textContent = `${count(frontOf(run).length, "point")} of ${runLabel(run)} as a table, the lowest ${proxyWords(proxy).axis} first`;
    const rows = [...frontOf(run)].map((id, row) => {
      const button = element("button", { type: "button", "aria-label": `Copy network ${unpack(spaceOf(task).index)[id]}` }, "copy");
      button.addEventListener("click", () => { show(id); copy(id); });
      return { cells: [String(unpack(spaceOf(task).index)[id]), proxyValue(proxy, unpack(run.proxy_values)[row]),
        accuracyCell(task, id), ...metrics.map((name) => number(unpack(run.metric_values[name])[row])), button] };
    });
    $("front-table").replaceChildren(tableOf(`${device}, ${task}`, ["network", "proxy", "accuracy (%)",
      ...metrics.map((name) => `${METRICS[name].name.toLowerCase()} (${METRICS[name].unit})`), ""], rows));
  }
  /** Trained models on a device beside published networks; of all devices where none is given. */
  function listTrained(device, task) {
    const shown = data.trained.filter((one) => !device || (one.device === device && one.task === task));
    $("trained").hidden = !shown.length;
    $("trained-models").replaceChildren(...shown.flatMap((one) => [
      ...one.headlines.map((text) => element("p", {}, text)),
      tableOf(`${one.device}, ${one.task}`, one.head, one.rows.map((cells) => ({ cells }))),
      element("ul", {}, ...one.notes.map((text) => element("li", {}, text))),
    ]));
  }
  function listSources() {
    const { device, task, proxy } = state;
    const words = proxyWords(proxy);
    $("sources").replaceChildren(...[
      isJudged(task) ? `True accuracy, ${task}: ${data.tasks[task].source}.` : `True accuracy, ${task}: not known.`,
      `Metrics of ${device}, ${task}: ${ofDevice(device, task).source}.`,
      `${words.axis}: ${data.proxies[proxy].of_task[task].source}.`,
    ].map((text) => element("li", {}, text)));
  }

  // ---- events --------------------------------------------------------------------------------
  function pickedId() {
    const row = pickOf(theRun());
    return row < 0 ? null : frontOf(theRun())[row];
  }
  function everything() {
    fillChoices();
    $("whole").checked = state.whole;
    makeLimits();
    shownLimits.forEach((update) => update());
    describeTrust();
    describePick();
    listFront();
    listTrained(state.device, state.task);
    listSources();
    drawChart();
    const picked = pickedId();
    show(picked ?? (frontOf(theRun()).length ? frontOf(theRun())[0] : null));
    writeAddress();
  }
  $("choices").addEventListener("submit", (event) => event.preventDefault());
  $("choices").addEventListener("change", (event) => {
    const changed = event.target.id;
    if (changed === "whole") state.whole = event.target.checked;
    else state[changed] = event.target.value;
    // Other devices and data sets have other magnitudes.
    if (changed === "device" || changed === "task") state.limits = {};
    if (changed !== "compare" && changed !== "search") state.view = null;
    if (["whole", "vertical", "horizontal", "compare", "also"].includes(changed)) {
      if (changed === "horizontal") fillChoices();
      drawChart();
      writeAddress();
    } else everything();
  });
  $("pick-copy").addEventListener("click", () => copy(pickedId()));
  $("pick-show").addEventListener("click", () => { show(pickedId()); $("network").scrollIntoView({ block: "nearest" }); });
  $("copy").addEventListener("click", () => copy(state.current));
  $("zoom-in").addEventListener("click", () => zoom(1 / 2));
  $("zoom-out").addEventListener("click", () => zoom(2));
  $("zoom-all").addEventListener("click", () => look(null));
  $("save-svg").addEventListener("click", savePicture);
  $("save-png").addEventListener("click", savePixels);
  $("save-csv").addEventListener("click", saveRows);
  $("chart").addEventListener("wheel", (event) => {
    if (!event.ctrlKey && !event.metaKey) return; // the page scrolls
    event.preventDefault();
    const box = $("chart").getBoundingClientRect();
    zoom(1.2 ** Math.sign(event.deltaY), event.clientX - box.left, event.clientY - box.top);
  }, { passive: false });
  let held = null; // where the pointer holds the chart, and whether it has moved it
  $("chart").addEventListener("pointerdown", (event) => {
    held = state.view && event.button === 0 ? { x: event.clientX, y: event.clientY, moved: false } : null;
  });
  window.addEventListener("pointerup", () => { if (held && !held.moved) held = null; });

  function nearest(event, reach) {
    const box = $("chart").getBoundingClientRect();
    const [x, y] = [event.clientX - box.left, event.clientY - box.top];
    for (const list of [drawn.front, drawn.other, drawn.cloud]) {
      let best = null, least = list === drawn.cloud ? reach / 2 : reach;
      for (const p of list) {
        const distance = Math.hypot(p.x - x, p.y - y);
        if (distance < least) [best, least] = [p.id, distance];
      }
      if (best !== null) return best;
    }
    return null;
  }
  $("chart").addEventListener("pointermove", (event) => {
    if (held && event.buttons & 1) {
      const [x, y] = [event.clientX - held.x, event.clientY - held.y];
      if (!held.moved && Math.hypot(x, y) < 5) return;
      held = { x: event.clientX, y: event.clientY, moved: true };
      pan(x, y);
      return;
    }
    const id = nearest(event, 14);
    if (id !== null && id !== state.current) show(id);
  });
  $("chart").addEventListener("click", (event) => {
    const moved = held?.moved; // the end of a move is no click
    held = null;
    if (moved) return;
    const id = nearest(event, 24);
    if (id !== null) { show(id); copy(id); }
  });
  const STEP = 60;
  const LOOKS = {
    "+": () => zoom(1 / 2), "=": () => zoom(1 / 2), "-": () => zoom(2), 0: () => look(null),
    "Shift ArrowLeft": () => pan(STEP, 0), "Shift ArrowRight": () => pan(-STEP, 0),
    "Shift ArrowUp": () => pan(0, STEP), "Shift ArrowDown": () => pan(0, -STEP),
  };
  $("chart").addEventListener("keydown", (event) => {
    const looks = event.ctrlKey || event.metaKey ? undefined
      : LOOKS[event.shiftKey && event.key.startsWith("Arrow") ? `Shift ${event.key}` : event.key];
    if (looks) {
      looks();
      say(state.view ? `In view: ${inView()}` : "All is in view");
      event.preventDefault();
      return;
    }
    const along = [...drawn.front].sort((a, b) => a.x - b.x || b.y - a.y);
    const here = along.findIndex((p) => p.id === state.current);
    const to = {
      ArrowRight: here + 1, ArrowDown: here + 1, ArrowLeft: here < 0 ? 0 : here - 1, ArrowUp: here < 0 ? 0 : here - 1,
      Home: 0, End: along.length - 1,
    }[event.key];
    if (to !== undefined && along.length) show(along[Math.min(along.length - 1, Math.max(0, to))].id);
    else if (event.key === "Enter") copy(state.current);
    else if (event.key === "Escape") show(pickedId());
    else return;
    event.preventDefault();
  });
  let width = 0;
  new ResizeObserver(() => {
    if ($("chart").clientWidth !== width) { width = $("chart").clientWidth; drawChart(); }
  }).observe($("chart"));
  window.addEventListener("hashchange", () => { state.limits = {}; readAddress(); everything(); });

  if (!data.runs.length) { // no search is judged: there is no front to explore
    document.querySelectorAll("header p, main > *, footer").forEach((part) => { part.hidden = true; });
    showTrust(data.trained);
    listTrained();
    return;
  }
  readAddress();
  if (!state.search) {
    // Begin with a search for fronts; the others weigh or bound the objectives.
    const begin = runsWhere({ device: state.device || data.runs[0].device }).find((run) => run.pareto);
    if (begin) state.search = begin.search;
  }
  everything();
})();
