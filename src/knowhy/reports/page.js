"use strict";
(() => {
  document.documentElement.classList.add("js");

  // Charts: drawn when near the view, the rest when there is time. Neutral colours are CSS variables, so that
  // light, dark and print follow the page without drawing again.
  const sans = getComputedStyle(document.body).fontFamily;
  const muted = "var(--muted)", rule = "var(--rule)", ink = "var(--ink)";
  const config = {
    background: "transparent",
    font: sans,
    view: { stroke: null },
    axis: {
      labelColor: muted, titleColor: muted, gridColor: rule, domainColor: rule, tickColor: rule,
      labelFontSize: 11, titleFontSize: 11.5, titleFontWeight: 500, titlePadding: 8, titleLimit: 260, labelPadding: 5, tickSize: 4,
    },
    legend: {
      orient: "top", labelColor: ink, titleColor: muted, labelFontSize: 12, symbolSize: 70, padding: 0, offset: 10,
      columnPadding: 14, symbolStrokeWidth: 2,
    },
    header: { labelColor: ink, titleColor: muted },
  };
  const specs = new Map(JSON.parse(document.getElementById("charts").textContent).map((c) => [c.id, c.spec]));
  const waiting = new Set(document.querySelectorAll("[data-chart]"));
  const draw = async (place) => {
    if (!waiting.delete(place)) return;
    const narrow = place.clientWidth < 480;
    const here = narrow ? { ...config, legend: { ...config.legend, columns: 5, columnPadding: 10 } } : config;
    try {
      await vegaEmbed(place, specs.get(place.dataset.chart), { renderer: "svg", ast: true, actions: false, config: here });
    } catch (error) {
      place.textContent = "This chart could not be drawn: " + error.message;
    }
  };
  if (waiting.size && typeof vegaEmbed === "function") {
    const seen = new IntersectionObserver((entries) => {
      for (const entry of entries) if (entry.isIntersecting) { seen.unobserve(entry.target); draw(entry.target); }
    }, { rootMargin: "300px" });
    waiting.forEach((place) => seen.observe(place));
    const rest = async () => {
      const [place] = waiting;
      if (place) { await draw(place); setTimeout(rest, 0); }
    };
    setTimeout(rest, 50);
    window.addEventListener("beforeprint", () => [...waiting].forEach(draw));
  }

  // Folds open for print, and close again.
  let opened = [];
  window.addEventListener("beforeprint", () => {
    opened = [...document.querySelectorAll("details:not([open])")];
    opened.forEach((fold) => { fold.open = true; });
  });
  window.addEventListener("afterprint", () => opened.forEach((fold) => { fold.open = false; }));

  // Every trial: sort, search, and a limit to what is laid out at once.
  const table = document.getElementById("rows");
  if (table) {
    const body = table.tBodies[0], step = Number(table.dataset.shown);
    const rows = [...body.rows].map((row) => ({ row, text: row.textContent.toLowerCase() }));
    const [find, purpose, outcome, count, more] =
      ["find", "purpose", "outcome", "count", "more"].map((id) => document.getElementById(id));
    let limit = step;
    const show = () => {
      const words = find.value.toLowerCase().split(/\s+/).filter(Boolean);
      let matching = 0;
      for (const { row, text } of rows) {
        const fits = (!purpose.value || row.dataset.purpose === purpose.value)
          && (!outcome.value || row.dataset.outcome === outcome.value) && words.every((w) => text.includes(w));
        if (fits) matching += 1;
        row.classList.toggle("out", !fits);
        row.classList.toggle("later", fits && matching > limit);
      }
      count.textContent = matching === rows.length ? `${rows.length} trials` : `${matching} of ${rows.length} trials`;
      more.hidden = matching <= limit;
      more.textContent = `Show all ${matching}`;
    };
    const key = (row, column) => {
      const cell = row.cells[column];
      if (cell.dataset.v === undefined) return cell.textContent;
      return cell.dataset.v === "" ? null : Number(cell.dataset.v);
    };
    const sort = (button) => {
      const head = button.closest("th"), column = Number(button.dataset.column);
      const down = head.getAttribute("aria-sort") === "ascending";
      table.querySelectorAll("th[aria-sort]").forEach((th) => th.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", down ? "descending" : "ascending");
      rows.sort((a, b) => {
        const one = key(a.row, column), two = key(b.row, column);
        if (one === null || two === null) return (one === null) - (two === null);
        const order = typeof one === "number" ? one - two : one.localeCompare(two);
        return down ? -order : order;
      });
      body.append(...rows.map(({ row }) => row));
      show();
    };
    table.tHead.addEventListener("click", (event) => {
      const button = event.target.closest("button");
      if (button) sort(button);
    });
    [find, purpose, outcome].forEach((control) => control.addEventListener("input", () => { limit = step; show(); }));
    more.addEventListener("click", () => { limit = Infinity; show(); });
    document.querySelector(".controls").hidden = false;
    show();

    const visit = () => {
      const target = /^#trial-\d+$/.test(location.hash) && document.getElementById(location.hash.slice(1));
      if (!target) return;
      if (target.matches(".out, .later")) {
        find.value = purpose.value = outcome.value = "";
        limit = Infinity;
        show();
      }
      target.scrollIntoView({ block: "center" });
    };
    window.addEventListener("hashchange", visit);
    visit();
  }
})();
