"use strict";
// Sorts and filters what is on the page. Its words come from data- attributes, so that they are
// translated; without it the page shows everything.
(() => {
  const main = document.querySelector("main");
  const make = (tag, properties = {}, ...children) => {
    const element = Object.assign(document.createElement(tag), properties);
    element.append(...children);
    return element;
  };
  const counted = (text, shown, all) => text.replace("{shown}", shown).replace("{all}", all);

  // The column of each cell, with cells that span rows and columns counted.
  const columns = (rows) => {
    const taken = [];
    return rows.map((row, y) => {
      taken[y] ??= [];
      let x = 0;
      return [...row.cells].map((cell) => {
        while (taken[y][x]) x += 1;
        const at = x;
        for (let down = 0; down < cell.rowSpan; down += 1) {
          for (let right = 0; right < cell.colSpan; right += 1) {
            (taken[y + down] ??= [])[at + right] = true;
          }
        }
        return [cell, at];
      });
    });
  };

  // Numbers by their value, words by the alphabet; null is unknown.
  const key = (cell) => {
    if (!cell) return null;
    const place = cell.matches("[data-value]") ? cell : cell.querySelector("data, [data-value]");
    if (place && !place.closest(".range")) {
      const value = place.matches("data") ? place.value : place.dataset.value;
      return value === "" ? null : Number(value);
    }
    const text = cell.textContent.trim();
    return /^–|^$/.test(text) || cell.querySelector(".unknown, .soft:only-child") ? null : text;
  };
  const compared = (a, b, way) => {
    if (a === null || b === null) return (a === null) - (b === null);
    const order = typeof a === "number" && typeof b === "number" ? a - b
      : String(a).localeCompare(String(b), document.documentElement.lang, { numeric: true });
    return way * order;
  };

  // A body is a group where its first row opens with a heading of the group.
  const read = (body) => {
    const rows = [...body.rows];
    const group = rows[0].querySelector("th[scope=rowgroup]");
    const placed = columns(rows);
    return {
      body,
      group,
      rows: rows.map((row, i) => ({
        row,
        cells: new Map([...(group ? [[0, group]] : []), ...placed[i].map(([cell, x]) => [x, cell])]),
        text: ((group && i ? `${group.textContent} ` : "") + row.textContent).toLowerCase(),
        shown: true,
      })),
    };
  };

  // The heading of a group stands in the first of its rows that is shown, and spans these.
  const settle = ({ body, group, rows }) => {
    const shown = rows.filter((one) => one.shown);
    for (const one of rows) {
      one.row.hidden = !one.shown;
      body.append(one.row);
    }
    body.hidden = shown.length === 0;
    if (group && shown.length) {
      shown[0].row.prepend(group);
      group.rowSpan = shown.length;
    }
  };

  const sortable = (table, bodies) => {
    const heads = columns([...table.tHead.rows]).flat().filter(([cell]) => cell.colSpan === 1);
    const original = bodies.map((one) => [one, [...one.rows]]);
    const sort = (x, way) => {
      const by = (one) => key(one.cells.get(x));
      for (const [one, rows] of original) {
        one.rows = [...rows];
        if (way && !(one.group && x === 0)) one.rows.sort((a, b) => compared(by(a), by(b), way));
        settle(one);
      }
      const order = original.map(([one]) => one);
      if (way) order.sort((a, b) => compared(by(a.rows[0]), by(b.rows[0]), way));
      table.append(...order.map((one) => one.body));
    };
    for (const [cell, x] of heads) {
      const button = make("button", { type: "button", className: "sort" }, ...cell.childNodes);
      cell.append(button);
      button.addEventListener("click", () => {
        const next = { ascending: "descending", descending: "none" };
        const now = next[cell.getAttribute("aria-sort")] ?? "ascending";
        for (const [other] of heads) other.removeAttribute("aria-sort");
        if (now !== "none") cell.setAttribute("aria-sort", now);
        sort(x, { ascending: 1, descending: -1, none: 0 }[now]);
      });
    }
  };

  const filterable = (table, bodies) => {
    const rows = bodies.flatMap((one) => one.rows);
    const box = make("input", { type: "search", autocomplete: "off", spellcheck: false });
    const status = make("span", { className: "count" });
    status.setAttribute("role", "status");
    const region = table.closest(".scroll");
    const named = region.getAttribute("aria-label") ??
      document.getElementById(region.getAttribute("aria-labelledby")).textContent;
    const label = make("label", {}, `${main.dataset.filter} `,
      make("span", { className: "unseen-words", textContent: `${named} ` }), box);
    box.addEventListener("input", () => {
      const words = box.value.toLowerCase().split(/\s+/).filter(Boolean);
      for (const one of rows) one.shown = words.every((word) => one.text.includes(word));
      bodies.forEach(settle);
      const shown = rows.filter((one) => one.shown).length;
      status.textContent = !words.length ? ""
        : shown ? counted(main.dataset.rows, shown, rows.length) : main.dataset.none;
    });
    region.before(make("p", { className: "filter" }, label, status));
  };

  for (const table of main.querySelectorAll("table")) {
    const bodies = [...table.tBodies].filter((body) => body.rows.length).map(read);
    const n = bodies.reduce((sum, one) => sum + one.rows.length, 0);
    if (n > 1 && table.tHead) sortable(table, bodies);
    if (n > 6) filterable(table, bodies);
  }

  // Selects over a container, one for each kind of value that its elements carry. An element may
  // carry several values of a kind, with "|" between them.
  const KINDS = ["candidate", "intent", "verdict"];
  const name = (kind) => `filter${kind[0].toUpperCase()}${kind.slice(1)}`;
  const values = (element, kind) => (element.dataset[name(kind)] ?? "").split("|").filter(Boolean);
  for (const container of document.querySelectorAll("[data-filters]")) {
    const words = container.dataset;
    const elements = [...container.querySelectorAll("[data-filter-candidate]")];
    const folds = [...container.querySelectorAll("details")]
      .filter((fold) => fold.querySelector("[data-filter-candidate]"))
      .map((fold) => [fold, fold.open]);
    const status = make("span", { className: "count" });
    status.setAttribute("role", "status");
    const selects = KINDS.map((kind) => {
      const found = [...new Set(elements.flatMap((one) => values(one, kind)))]
        .sort((a, b) => a.localeCompare(b, document.documentElement.lang));
      const select = make("select", {}, make("option", { value: "", textContent: words.labelAll }),
        ...found.map((value) => make("option", { value, textContent: value })));
      return [kind, select, found.length];
    }).filter(([, , n]) => n > 1);
    const apply = () => {
      let shown = 0;
      for (const one of elements) {
        one.hidden = !selects.every(([kind, select]) =>
          !select.value || values(one, kind).includes(select.value));
        shown += !one.hidden;
      }
      const active = selects.some(([, select]) => select.value);
      for (const [fold, open] of folds) {
        const left = [...fold.querySelectorAll("[data-filter-candidate]")].some((one) => !one.hidden);
        fold.hidden = !left;
        fold.open = active ? left : open;
      }
      status.textContent = !active ? ""
        : shown ? counted(words.labelCount, shown, elements.length) : words.labelNone;
    };
    if (!selects.length) continue;
    const labelled = selects.map(([kind, select]) => {
      select.addEventListener("change", apply);
      return make("label", {}, `${words[name(kind).replace("filter", "label")]} `, select);
    });
    container.prepend(make("p", { className: "filter" }, ...labelled, status));
  }
})();
