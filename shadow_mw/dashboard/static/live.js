// Keeps the page up to date: asks for it again every few seconds and puts the sections that changed in place.
(() => {
  const EVERY_MS = Number(document.querySelector("[data-every-ms]")?.dataset.everyMs ?? 5000);
  const root = document.documentElement;
  const status = document.getElementById("live");
  const pause = document.getElementById("pause");
  let tag = null, isPaused = false, timer = null, served = new Map();

  const sections = (page) => new Map([...page.querySelectorAll("[data-live]")].map((one) => [one.id, one]));
  const texts = (page) => new Map([...sections(page)].map(([id, one]) => [id, one.outerHTML]));

  const say = (state, text) => { status.dataset.state = state; status.textContent = text; };

  // Lines of a table that were opened, what had the focus and how far was scrolled stay as they were.
  const put = (old, fresh) => {
    const open = [...old.querySelectorAll("details")].map((one) => one.open);
    const scrolled = [...old.querySelectorAll(".scroll")].map((one) => one.scrollLeft);
    const focusables = "a, button, summary, [tabindex]";
    const focused = [...old.querySelectorAll(focusables)].indexOf(document.activeElement);
    old.replaceWith(fresh);
    fresh.querySelectorAll("details").forEach((one, place) => { if (open[place] !== undefined) one.open = open[place]; });
    fresh.querySelectorAll(".scroll").forEach((one, place) => { one.scrollLeft = scrolled[place] ?? 0; });
    if (focused >= 0) fresh.querySelectorAll(focusables)[focused]?.focus({ preventScroll: true });
  };

  const update = (html) => {
    const page = new DOMParser().parseFromString(html, "text/html");
    const fresh = texts(page), mine = sections(document);
    // Another kind of page (the first exchange came, the store is gone): its sections are not ours.
    if ([...fresh.keys()].join() !== [...mine.keys()].join()) { location.reload(); return; }
    let isChanged = false;
    for (const [id, one] of sections(page)) {
      if (served.get(id) === fresh.get(id)) continue;
      put(mine.get(id), document.adoptNode(one));
      isChanged = true;
    }
    served = fresh;
    document.title = page.title;
    if (isChanged) dispatchEvent(new Event("sectionschange"));
    tellAgo();
  };

  const ask = async () => {
    try {
      const headers = tag ? { "If-None-Match": tag } : {};
      const answer = await fetch(location.href, { headers, cache: "no-store", credentials: "same-origin" });
      if (answer.ok) { tag = answer.headers.get("ETag"); update(await answer.text()); }
      if (answer.ok || answer.status === 304) say("on", "live"); else say("off", `no answer (${answer.status})`);
    } catch { say("off", "the dashboard does not answer"); }
  };

  const next = () => {
    clearTimeout(timer);
    if (isPaused || document.hidden) { say("off", "paused"); return; }
    timer = setTimeout(async () => { await ask(); next(); }, EVERY_MS);
  };

  const tellAgo = () => {
    for (const one of document.querySelectorAll("time[data-ago]")) {
      const s = Math.max((Date.now() - Date.parse(one.dateTime)) / 1000, 0);
      const [size, unit] = [[86400, "d"], [3600, "h"], [60, "min"], [1, "s"]].find(([size]) => s >= 2 * size) ?? [1, "s"];
      one.title ||= `${one.textContent} UTC`;
      if (!Number.isNaN(s)) one.textContent = `${Math.floor(s / size)} ${unit} ago`;
    }
  };

  for (const form of document.querySelectorAll("form[data-submits]")) {
    form.addEventListener("change", (event) => {
      // A range that is picked wins over moments that were typed before.
      if (event.target.name === "range") for (const one of form.querySelectorAll("input")) one.value = "";
      if (event.target.matches("select")) form.requestSubmit();
    });
    form.addEventListener("formdata", ({ formData }) => {
      for (const [key, value] of [...formData]) if (!value || (key === "range" && value === "all")) formData.delete(key);
    });
  }

  served = texts(document);
  tellAgo();
  if (!served.size) return;
  status.hidden = pause.hidden = false;
  say("on", "live");
  pause.addEventListener("click", () => {
    isPaused = !isPaused;
    pause.textContent = isPaused ? "Resume" : "Pause";
    if (!isPaused) { say("on", "live"); ask(); }
    next();
  });
  document.addEventListener("visibilitychange", () => { if (!document.hidden && !isPaused) ask(); next(); });
  setInterval(tellAgo, 1000);
  root.dataset.scripted = "";
  next();
})();
