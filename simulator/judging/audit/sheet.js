"use strict";
const data = JSON.parse(document.getElementById("data").textContent);
const { rows, questions } = data;
const kept = `labelling sheet ${data.sheet}`;
const $ = (id) => document.getElementById(id);
const name = (row) => `${row.unit} ${row.point}`;

let answers = {};
let at = 0;

function recall() {
  try {
    const found = JSON.parse(localStorage.getItem(kept) || "{}");
    for (const row of rows) if (found[name(row)]) answers[name(row)] = found[name(row)];
  } catch {
    warn();
  }
}

function keep() {
  try {
    localStorage.setItem(kept, JSON.stringify(answers));
  } catch {
    warn();
  }
}

function warn() {
  $("warning").textContent =
    "This browser does not keep answers when the page is closed: save the CSV before you leave.";
  $("warning").hidden = false;
}

const asked = (row) => questions.filter((one) => row.reply !== null || !one.of_reply);
const of = (row) => answers[name(row)] || {};
const open = (row) => asked(row).filter((one) => !of(row)[one.column]).length;
const begun = (row) => Object.values(of(row)).some((answer) => answer !== "");

function put(column, answer) {
  const row = rows[at];
  const mine = { ...of(row) };
  if (answer === "") delete mine[column];
  else mine[column] = answer;
  answers[name(row)] = mine;
  keep();
  count();
}

function count() {
  const done = rows.filter((row) => open(row) === 0).length;
  const part = rows.filter((row) => open(row) > 0 && begun(row)).length;
  $("progress").max = Math.max(rows.length, 1);
  $("progress").value = done;
  $("progress-text").textContent =
    `${done} of ${rows.length} complete` + (part ? `, ${part} begun` : "");
  $("open").disabled = done === rows.length;
}

function made(tag, properties = {}, ...children) {
  const element = Object.assign(document.createElement(tag), properties);
  element.append(...children);
  return element;
}

function show(to) {
  at = Math.min(Math.max(to, 0), rows.length - 1);
  const row = rows[at];
  const here = rows.filter((one) => one.unit === row.unit).length;
  $("place").textContent = `${at + 1} of ${rows.length}`;
  $("heading").textContent =
    here > 1 ? `Message ${row.point} of ${here} in this conversation` : "One message";
  $("said").replaceChildren(
    ...row.said.map(([who, text]) =>
      made(
        "li",
        { className: who === "…" ? "left-out" : who === "Customer" ? "" : "ours" },
        made("span", { className: "who", textContent: who }),
        made("p", { className: "text", dir: "auto", textContent: text }),
      ),
    ),
  );
  $("reply").textContent = row.reply === null ? data.no_reply : row.reply;
  $("reply").className = row.reply === null ? "none" : "";
  $("rules").replaceChildren(
    ...row.rules.map((rule) => made("li", { dir: "auto", textContent: rule })),
  );
  $("questions").replaceChildren(...asked(row).map(fieldset), note(row));
  $("previous").disabled = at === 0;
  $("next").disabled = at === rows.length - 1;
  count();
  const first = asked(row).findIndex((one) => !of(row)[one.column]);
  mark(fieldsets()[first < 0 ? 0 : first]);
  scrollTo(0, 0);
  $("heading").focus({ preventScroll: true });
}

function fieldset(question) {
  const answer = of(rows[at])[question.column] || "";
  const choices = question.choices.map(([word, meant], index) =>
    choice(question.column, word, word.replaceAll("_", " "), meant, index + 1, answer),
  );
  choices.push(choice(question.column, "", "leave open", "not known", 0, answer));
  const element = made(
    "fieldset",
    {},
    made("legend", { textContent: question.asks }),
    made("div", { className: "choices" }, ...choices),
  );
  element.dataset.column = question.column;
  element.addEventListener("focusin", () => mark(element));
  return element;
}

function choice(column, value, words, meant, key, answer) {
  const input = made("input", { type: "radio", name: column, value, checked: value === answer });
  input.addEventListener("change", () => put(column, value));
  const hint = made("kbd", { textContent: key });
  hint.setAttribute("aria-hidden", "true");
  return made("label", { title: meant, className: value ? "" : "blank" }, input, hint, words);
}

function note(row) {
  const area = made("textarea", { id: "note", value: of(row)[data.note] || "", dir: "auto" });
  area.addEventListener("input", () => put(data.note, area.value));
  return made("label", { className: "note" }, "Note (may stay empty)", area);
}

const fieldsets = () => [...document.querySelectorAll("fieldset")];
const current = () => document.querySelector("fieldset.current");

function mark(element) {
  for (const one of fieldsets()) one.classList.toggle("current", one === element);
}

function go(steps) {
  const all = fieldsets();
  const to = all[all.indexOf(current()) + steps];
  if (!to) return;
  (to.querySelector(":checked") || to.querySelector("input")).focus({ preventScroll: true });
  mark(to);
  to.scrollIntoView({ block: "nearest" });
}

function press(key) {
  const inputs = [...current().querySelectorAll("input")];
  const input = key === 0 ? inputs.at(-1) : inputs.slice(0, -1)[key - 1];
  if (!input) return;
  input.checked = true;
  put(input.name, input.value);
  const left = open(rows[at]);
  $("status").textContent =
    `${current().querySelector("legend").textContent} ${input.value || "left open"}. ` +
    (left ? `${left} open.` : "This reply is complete.");
  go(1);
}

function nextOpen() {
  for (let step = 1; step <= rows.length; step += 1) {
    const to = (at + step) % rows.length;
    if (open(rows[to])) return show(to);
  }
}

// As simulator.judging.audit.sheet writes it, so that both files are read alike.
function csv() {
  const guard = (cell) => (/^'*[=+\-@\t\r\n＝＋－＠]/.test(cell) ? `'${cell}` : cell);
  const line = (cells) =>
    cells.map((cell) => `"${guard(String(cell)).replaceAll('"', '""')}"`).join(",") + "\r\n";
  const fixed = (row) => [
    data.sheet,
    row.unit,
    row.point,
    row.said.map(([who, text]) => `${who}: ${text}`).join("\n"),
    row.reply === null ? data.no_reply : row.reply,
    row.rules.join("\n"),
  ];
  const filled = (row) =>
    [...questions.map((one) => one.column), data.note].map((column) => of(row)[column] || "");
  return "\ufeff" + line(data.header) + rows.map((r) => line([...fixed(r), ...filled(r)])).join("");
}

function save() {
  const link = made("a", {
    href: URL.createObjectURL(new Blob([csv()], { type: "text/csv;charset=utf-8" })),
    download: data.file,
  });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10000);
  const left = rows.filter((row) => open(row) > 0).length;
  $("status").textContent = left ? `Saved; ${left} replies have open questions.` : "Saved.";
}

function clear() {
  if (!confirm("Clear all answers of this sheet in this browser?")) return;
  answers = {};
  keep();
  show(0);
}

const KEYS = {
  j: () => go(1),
  k: () => go(-1),
  n: () => show(at + 1),
  p: () => show(at - 1),
  u: nextOpen,
  e: () => $("note").focus(),
  s: save,
};

document.addEventListener("keydown", (event) => {
  if (event.target.id === "note") {
    if (event.key === "Escape") event.target.blur();
    return;
  }
  if (!$("keys").checked || event.ctrlKey || event.altKey || event.metaKey) return;
  if (/^[0-9]$/.test(event.key)) press(Number(event.key));
  else if (Object.hasOwn(KEYS, event.key)) KEYS[event.key]();
  else return;
  event.preventDefault();
});
$("questions").addEventListener("submit", (event) => event.preventDefault());
for (const [id, act] of Object.entries({
  previous: () => show(at - 1),
  next: () => show(at + 1),
  open: nextOpen,
  save,
  clear,
})) {
  $(id).addEventListener("click", act);
}
recall();
show(0);
