"use strict";
(() => {
  const NS = "http://www.w3.org/2000/svg";
  const view = JSON.parse(document.getElementById("view").textContent);
  const shown = new Map(view.series.map((s) => [s.name, true]));
  const about = new Map(view.series.map((s, index) => [s.name, { ...s, index }]));
  const charts = [];
  let printing = false;

  // -- small tools --------------------------------------------------------------------------------------------------
  const node = (name, attributes = {}, ...children) => {
    const made = document.createElementNS(NS, name);
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    made.append(...children);
    return made;
  };
  const element = (name, text = "") => {
    const made = document.createElement(name);
    made.textContent = text;
    return made;
  };
  const colour = (s) => `var(--c${s.colour % 8})`;

  const SUPERSCRIPT = { "-": "⁻", 0: "⁰", 1: "¹", 2: "²", 3: "³", 4: "⁴", 5: "⁵", 6: "⁶", 7: "⁷", 8: "⁸", 9: "⁹" };
  const powerOfTen = (value) => {
    const exponent = Math.round(Math.log10(value));
    return Math.abs(exponent) < 3 ? String(Number(`1e${exponent}`)) : `10${[...String(exponent)].map((c) => SUPERSCRIPT[c]).join("")}`;
  };
  const readable = (value) => {
    if (value === null) return "–";
    if (typeof value === "string") return value;
    if (value === 0) return "0";
    const size = Math.abs(value);
    if (size < 1e-3 || size >= 1e6) return value.toExponential(2).replace("e-", "e−").replace("e+", "e");
    return String(Number(value.toPrecision(5)));
  };

  // A different mark for each series: colours need not be told apart to read a chart.
  const MARKS = [
    (x, y, r) => `M${x - r} ${y}a${r} ${r} 0 1 0 ${2 * r} 0a${r} ${r} 0 1 0 ${-2 * r} 0`,
    (x, y, r) => `M${x - r} ${y - r}h${2 * r}v${2 * r}h${-2 * r}z`,
    (x, y, r) => `M${x} ${y - r * 1.3}l${r * 1.25} ${r * 2.2}h${-2.5 * r}z`,
    (x, y, r) => `M${x} ${y - r * 1.4}l${r * 1.4} ${r * 1.4}l${-r * 1.4} ${r * 1.4}l${-r * 1.4} ${-r * 1.4}z`,
  ];
  const mark = (s, x, y, r) =>
    node("path", {
      d: MARKS[s.colour % MARKS.length](x, y, r),
      fill: s.dashed ? "var(--paper)" : colour(s),
      stroke: s.dashed ? colour(s) : "var(--paper)",
      "stroke-width": s.dashed ? 1.5 : 1,
    });
  const swatch = (s) =>
    node("svg", { width: 22, height: 10, viewBox: "0 0 22 10", "aria-hidden": "true" },
      node("line", { x1: 1, x2: 21, y1: 5, y2: 5, stroke: colour(s), "stroke-width": 2.25, "stroke-dasharray": s.dashed ? "4 3" : "none" }),
      mark(s, 11, 5, 3.4));

  // -- scales -------------------------------------------------------------------------------------------------------
  const niceStep = (span, count) => {
    const raw = span / count, power = 10 ** Math.floor(Math.log10(raw));
    return power * [1, 2, 2.5, 5, 10].find((m) => m * power >= raw * 0.999);
  };
  const padded = (low, high) => { const pad = 0.04 * (high - low); return [low >= 0 ? Math.max(0, low - pad) : low - pad, high + pad]; };
  const linear = ([low, high], [from, to], count, whole = false) => {
    if (low === high) { const pad = Math.abs(low) * 0.05 || 1; low -= pad; high += pad; }
    const step = whole ? Math.max(1, Math.round(niceStep(high - low, count))) : niceStep(high - low, count);
    const ticks = [];
    for (let k = Math.ceil(low / step - 1e-9); k * step <= high + step * 1e-9; k++) ticks.push(Number((k * step).toPrecision(12)));
    return { at: (v) => from + ((v - low) / (high - low)) * (to - from), ticks };
  };
  const logarithmic = ([low, high], [from, to], floor) => {
    const a = Math.floor(Math.log10(low) + 1e-9), b = Math.max(a + 1, Math.ceil(Math.log10(high) - 1e-9));
    const every = Math.ceil((b - a) / 5), ticks = [];
    for (let k = a; k <= b; k += every) ticks.push(Number(`1e${k}`));
    return { at: (v) => from + ((Math.log10(Math.max(v, floor ?? low)) - a) / (b - a)) * (to - from), ticks };
  };

  // Groups of curves that nobody could tell apart by eye.
  const STRIPE = 9;
  const coinciding = (curves) => {
    const same = (a, b) => a.length === b.length && a.every(([x, y], i) => Math.hypot(x - b[i][0], y - b[i][1]) < 1.2);
    const groups = [];
    for (const curve of curves) {
      const found = groups.find((group) => same(group[0].points, curve.points));
      found ? found.push(curve) : groups.push([curve]);
    }
    return groups;
  };

  // -- a chart ------------------------------------------------------------------------------------------------------
  class Chart {
    constructor(figure, spec) {
      this.figure = figure;
      this.spec = spec;
      this.log = spec.scale === "log";
      this.cursor = null;
      this.svg = node("svg", { class: "plot", role: "img", tabindex: "0", "aria-label": this.spoken() });
      this.tip = element("div");
      this.tip.className = "tip";
      this.live = element("p");
      this.live.className = "unseen";
      this.live.setAttribute("aria-live", "polite");
      figure.append(this.svg, this.tip, this.live);
      if (spec.scale === "either") this.addSwitch();
      this.svg.addEventListener("pointermove", (event) => this.point(event));
      this.svg.addEventListener("pointerdown", (event) => this.point(event));
      this.svg.addEventListener("pointerleave", () => this.rest());
      this.svg.addEventListener("blur", () => this.rest());
      this.svg.addEventListener("keydown", (event) => this.key(event));
    }

    spoken() {
      const last = this.spec.series.map((s) => {
        const end = s.points.findLast((p) => p[1] !== null);
        return end ? `${about.get(s.name).label} ends at ${readable(end[1])}` : `${about.get(s.name).label} has no value`;
      });
      return `${this.spec.title} over ${this.spec.x}. ${last.join(", ")}. Arrow keys read values.`;
    }

    addSwitch() {
      const button = element("button", "log scale");
      button.type = "button";
      button.setAttribute("aria-pressed", "false");
      button.addEventListener("click", () => {
        this.log = !this.log;
        button.setAttribute("aria-pressed", String(this.log));
        this.draw();
      });
      this.figure.querySelector("figcaption").append(button);
    }

    room() { // on paper, text is as large as on any screen: two charts share an A4 page's width
      if (printing) return this.figure.matches(":last-child:nth-child(odd)") ? 680 : 326;
      return Math.max(this.figure.clientWidth, 240);
    }

    visible() { return this.spec.series.filter((s) => shown.get(s.name)); }

    draw() {
      const width = this.room(), height = Math.round(Math.min(280, Math.max(200, width * 0.55)));
      const lines = this.visible();
      this.svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
      this.svg.replaceChildren();
      const values = lines.flatMap((s) => s.points.flatMap((p) => [p[1], p[2] ?? null, p[3] ?? null])).filter((v) => typeof v === "number");
      if (!values.length) {
        this.svg.append(node("text", { x: width / 2, y: height / 2, "text-anchor": "middle" }, lines.length ? "no finite values" : "nothing selected"));
        return;
      }
      const positive = values.filter((v) => v > 0);
      const log = this.log && positive.length > 0;
      const bottom = height - 26, top = 8;
      const floor = this.spec.floor;
      const y = log
        ? logarithmic([floor ?? Math.min(...positive), Math.max(...positive, (floor ?? 0) * 10)], [bottom, top], floor)
        : linear(padded(Math.min(...values), Math.max(...values)), [bottom, top], 4);
      const named = y.ticks.map((t) => (!log ? readable(t) : t === floor ? "0" : powerOfTen(t)));
      const left = Math.max(...named.map((n) => n.length)) * 7.2 + 10, right = width - 10;
      const xs = lines.flatMap((s) => s.points.map((p) => p[0]));
      const whole = this.spec.x === "epoch";
      const x = linear([whole ? Math.min(...xs) : 0, Math.max(...xs)], [left, right], width < 360 ? 4 : 6, whole);
      y.ticks.forEach((t, i) => {
        const at = Math.round(y.at(t)) + 0.5;
        if (at < top - 2 || at > bottom + 2) return;
        this.svg.append(node("line", { class: "grid", x1: left, x2: right, y1: at, y2: at }),
          node("text", { x: left - 8, y: at + 4, "text-anchor": "end" }, named[i]));
      });
      x.ticks.forEach((t, i) => this.svg.append(
        node("text", { x: x.at(t), y: height - 6, "text-anchor": "middle" }, readable(t))));
      this.rule = node("line", { class: "rule", y1: top, y2: bottom, visibility: "hidden" });
      this.svg.append(this.rule);
      const usable = (v) => typeof v === "number" && (!log || v > 0 || floor !== undefined);
      const drawn = lines.map((s) => ({
        style: about.get(s.name),
        points: s.points.filter((p) => usable(p[1])).map((p) => [x.at(p[0]), y.at(p[1])]),
        edge: s.points.filter((p) => usable(p[2]) && usable(p[3])).map((p) => [x.at(p[0]), y.at(p[2]), y.at(p[3])]),
      }));
      const marks = coinciding(drawn).flatMap((group) => group.map((curve, i) => this.curve(curve, i, group.length)));
      this.svg.append(...marks.filter(Boolean));
      this.dots = node("g");
      this.svg.append(this.dots);
      this.place = { x, y, width, height, left, right, log };
    }

    // Curves that coincide share a line, in stripes of their colours, and have their marks at different points.
    curve({ style, points, edge }, turn, sharers) {
      if (edge.length > 1) {
        const outline = [...edge.map(([x, , high]) => `${x} ${high}`), ...edge.map(([x, low]) => `${x} ${low}`).reverse()];
        this.svg.append(node("path", { class: "band", fill: colour(style), d: `M${outline.join("L")}z` }));
      }
      const stripes = sharers > 1 ? `${STRIPE} ${STRIPE * (sharers - 1)}` : style.dashed ? "6 5" : "none";
      this.svg.append(node("path", {
        class: "curve", "data-series": style.name, d: points.length ? `M${points.map(([x, y]) => `${x.toFixed(1)} ${y.toFixed(1)}`).join("L")}` : "M0 0",
        stroke: colour(style), "stroke-dasharray": stripes, "stroke-dashoffset": -turn * STRIPE,
        "stroke-linecap": sharers > 1 ? "butt" : "round",
      }));
      const marked = points.at(-1 - turn) ?? points.at(-1);
      return marked && mark(style, ...marked, 4);
    }

    // What each visible series says at a place on the x axis: the epoch there, or the last one that had ended by then.
    readings(at) {
      return this.visible().map((s) => {
        const point = this.spec.x === "epoch" ? s.points.find((p) => p[0] === at) : s.points.findLast((p) => p[0] <= at + 1e-9);
        return { style: about.get(s.name), point };
      }).filter((r) => r.point);
    }

    stops() { return [...new Set(this.visible().flatMap((s) => s.points.map((p) => p[0])))].sort((a, b) => a - b); }

    point(event) {
      if (!this.place) return;
      const box = this.svg.getBoundingClientRect();
      const at = ((event.clientX - box.left) / box.width) * this.place.width;
      const stops = this.stops();
      if (!stops.length) return;
      const near = (stop) => Math.abs(this.place.x.at(stop) - at);
      this.show(stops.reduce((best, stop) => (near(stop) < near(best) ? stop : best)));
    }

    key(event) {
      const stops = this.stops(), last = stops.length - 1;
      if (last < 0) return;
      const now = stops.indexOf(this.cursor);
      const next = { ArrowRight: Math.min(now + 1, last), ArrowLeft: now < 0 ? last : Math.max(now - 1, 0), Home: 0, End: last }[event.key];
      if (event.key === "Escape") this.rest();
      if (next === undefined) return;
      event.preventDefault();
      this.show(stops[next]);
      this.live.textContent = this.tip.innerText.replaceAll("\n", " ");
    }

    show(at) {
      this.cursor = at;
      const found = this.readings(at), { x, y, width, height, left, right, log } = this.place;
      this.rule.setAttribute("visibility", "visible");
      this.rule.setAttribute("x1", x.at(at));
      this.rule.setAttribute("x2", x.at(at));
      const drawn = found.filter((r) => typeof r.point[1] === "number" && (!log || r.point[1] > 0 || this.spec.floor !== undefined));
      this.dots.replaceChildren(...drawn.map((r) => mark(r.style, x.at(r.point[0]), y.at(r.point[1]), 4)));
      const title = this.spec.x === "epoch" ? `epoch ${at}` : `after ${readable(at)} s`;
      this.tip.replaceChildren(element("b", title), ...found.map((r) => {
        const row = element("span");
        row.append(swatch(r.style), element("span", r.style.label), element("i", readable(r.point[1])));
        return row;
      }));
      const scale = this.svg.clientWidth / width, size = this.tip.getBoundingClientRect();
      const pointed = x.at(at) * scale, room = this.figure.clientWidth;
      const beside = pointed + 14 + size.width <= room ? pointed + 14 : pointed - 14 - size.width;
      this.tip.style.left = `${Math.max(0, Math.min(beside, room - size.width))}px`;
      this.tip.style.top = `${this.svg.getBoundingClientRect().top - this.figure.getBoundingClientRect().top + 8}px`;
      this.tip.style.visibility = "visible";
    }

    rest() {
      this.cursor = null;
      this.tip.style.visibility = "hidden";
      this.rule?.setAttribute("visibility", "hidden");
      this.dots?.replaceChildren();
    }
  }

  // -- who is shown -------------------------------------------------------------------------------------------------
  const redraw = () => charts.forEach((chart) => { chart.rest(); chart.draw(); });
  const toggle = (name, button) => {
    shown.set(name, !shown.get(name));
    button.setAttribute("aria-pressed", String(shown.get(name)));
    for (const row of document.querySelectorAll("[data-of]")) if (row.dataset.of === name) row.hidden = !shown.get(name);
    redraw();
  };
  const legend = document.querySelector(".legend");
  for (const s of view.series) {
    const button = element("button");
    button.type = "button";
    button.dataset.series = s.name;
    button.setAttribute("aria-pressed", "true");
    button.append(swatch(s), s.label);
    button.addEventListener("click", () => toggle(s.name, button));
    legend.append(button);
  }

  for (const spec of view.charts) charts.push(new Chart(document.getElementById(spec.id), spec));
  redraw();
  let wide = window.innerWidth;
  window.addEventListener("resize", () => {
    if (window.innerWidth === wide) return;
    wide = window.innerWidth;
    redraw();
  });
  for (const event of ["beforeprint", "afterprint"]) window.addEventListener(event, () => {
    printing = event === "beforeprint";
    redraw();
  });
  document.documentElement.dataset.ready = "true";
})();
