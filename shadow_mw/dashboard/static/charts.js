// Draws every element with data-chart (see dashboard/series.py) with uPlot, in the colours of the style sheet.
(() => {
  const charts = new Map();

  const colour = (name) => {
    const probe = document.createElement("i");
    probe.style.color = `var(--${name})`;
    document.body.append(probe);
    const found = getComputedStyle(probe).color;
    probe.remove();
    return found;
  };

  const faint = (rgb, alpha) => rgb.replace(/^rgba?\(([^)]*)\)$/, (_, list) => {
    const [r, g, b] = list.split(/[ ,]+/);
    return `rgba(${r}, ${g}, ${b}, ${alpha})`;
  });

  const seconds = (value) => {
    if (value >= 1) return `${+value.toFixed(2)} s`;
    if (value >= 0.001) return `${+(value * 1000).toFixed(value < 0.1 ? 1 : 0)} ms`;
    return `${Math.round(value * 1e6)} µs`;
  };
  const share = (value) => `${(100 * value).toFixed(2)} %`;
  const count = (value) => Math.round(value).toLocaleString("en");
  const writers = { share, seconds, count };

  // The axis of a share keeps the gate in sight and never leaves 0 to 1.
  const ranges = {
    // What is drawn is the line: a wide band of a step with few requests does not flatten it.
    share: ({ gate, lines }) => () => {
      const values = lines[0].values.filter((value) => value != null);
      const least = Math.min(...values, gate ?? 1), most = Math.max(...values, gate ?? 0);
      const room = Math.max((most - least) * 0.25, 0.0005);
      return [Math.max(least - room, 0), Math.min(most + room, 1)];
    },
    seconds: () => (_, low, high) => [0, (high ?? 1) * 1.1],
    count: () => (_, low, high) => [0, (high || 1) * 1.1],
  };

  const drawnLine = (line) => {
    const ink = colour(line.ink);
    const style = line.style ?? "line";
    return {
      label: line.label,
      stroke: style === "edge" ? "transparent" : ink,
      width: style === "thin" ? 1 : style === "edge" ? 0 : 2,
      dash: style === "thin" ? [4, 3] : undefined,
      fill: style === "area" ? faint(ink, 0.16) : undefined,
      points: { show: false },
      spanGaps: false,
    };
  };

  const gateLine = (gate) => ({
    hooks: {
      draw: (plot) => {
        const y = plot.valToPos(gate, "y", true), pen = plot.ctx, { left, width } = plot.bbox;
        pen.save();
        pen.strokeStyle = pen.fillStyle = colour("gate");
        pen.lineWidth = 1.5 * devicePixelRatio;
        pen.setLineDash([6 * devicePixelRatio, 4 * devicePixelRatio]);
        pen.beginPath();
        pen.moveTo(left, y);
        pen.lineTo(left + width, y);
        pen.stroke();
        pen.font = `${11 * devicePixelRatio}px system-ui, sans-serif`;
        pen.textAlign = "right";
        if (width > 500 * devicePixelRatio) pen.fillText(`gate ${+(100 * gate).toFixed(4)} %`, left + width - 4, y - 5 * devicePixelRatio);
        pen.restore();
      },
    },
  });

  // Hours by the clock, days by the date; UTC, like everything on the page.
  const moments = (_, all, __, ___, step) => all.map((at, place) => {
    const text = new Date(at * 1e3).toISOString();
    const isDay = step >= 86400 || text.slice(11, 16) === "00:00";
    if (step >= 86400) return text.slice(5, 10);
    const clock = step < 60 ? text.slice(11, 19) : text.slice(11, 16);
    return isDay || place === 0 ? `${clock}\n${text.slice(5, 10)}` : clock;
  });

  const axis = (extra) => ({
    stroke: colour("muted"),
    grid: { stroke: colour("line"), width: 1 },
    ticks: { show: false },
    font: "12px system-ui, sans-serif",
    ...extra,
  });

  const draw = (place) => {
    charts.get(place)?.plot.destroy();
    const chart = JSON.parse(place.dataset.chart);
    const write = writers[chart.unit];
    const plot = new uPlot({
      width: Math.max(place.clientWidth, 200),
      height: 210,
      tzDate: (ts) => uPlot.tzDate(new Date(ts * 1e3), "Etc/UTC"),
      legend: { live: true },
      cursor: { y: false, drag: { x: false, y: false }, points: { size: 7 } },
      scales: { y: { range: ranges[chart.unit](chart) } },
      axes: [axis({ space: 70, size: 46, values: moments }), axis({ size: 62, values: (_, all) => all.map(write) })],
      series: [
        { label: "at", value: (_, ts) => ts == null ? "" : new Date(ts * 1e3).toISOString().slice(0, 16).replace("T", " ") },
        ...chart.lines.map((line) => ({ ...drawnLine(line), value: (_, v) => v == null ? "–" : write(v) })),
      ],
      bands: chart.band ? [{ series: [chart.band[0] + 1, chart.band[1] + 1], fill: faint(colour("shadow"), 0.15) }] : [],
      plugins: chart.gate == null ? [] : [gateLine(chart.gate)],
    }, [chart.times, ...chart.lines.map((line) => line.values)], place);
    charts.set(place, { plot, width: place.clientWidth });
  };

  const resized = new ResizeObserver((entries) => {
    for (const { target } of entries) {
      const known = charts.get(target);
      if (known && known.width !== target.clientWidth && target.clientWidth) {
        known.width = target.clientWidth;
        known.plot.setSize({ width: target.clientWidth, height: 210 });
      }
    }
  });

  const drawAll = (isAgain) => {
    for (const [place, { plot }] of charts) {
      if (!place.isConnected) { resized.unobserve(place); plot.destroy(); charts.delete(place); }
    }
    for (const place of document.querySelectorAll("[data-chart]")) {
      if (isAgain || !charts.has(place)) { draw(place); resized.observe(place); }
    }
  };

  addEventListener("themechange", () => drawAll(true));
  // Paper is white, whatever the screen is; a canvas must be told before the style sheet for print applies.
  const root = document.documentElement;
  let theme;
  addEventListener("beforeprint", () => { theme = root.dataset.theme; root.dataset.theme = "light"; drawAll(true); });
  addEventListener("afterprint", () => {
    if (theme) root.dataset.theme = theme; else delete root.dataset.theme;
    drawAll(true);
  });
  addEventListener("sectionschange", () => drawAll(false));
  drawAll(false);
})();
